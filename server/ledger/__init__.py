"""What must outlive everything: billing records, the audit trail, and the deliveries still owed."""
