"""Billing hears of every closed visit: signed webhooks, in order, once each in effect."""
