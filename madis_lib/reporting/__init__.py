"""What a reader sees: tables, figures, the report, and one sentence signed on request."""
