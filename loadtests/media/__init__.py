"""Media as load: peers without browsers, what they send, and what forwarding it is measured against."""
