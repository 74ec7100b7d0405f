"""The shell's face to the outside: what speaks HTTP and WebSocket with browsers and programs."""
