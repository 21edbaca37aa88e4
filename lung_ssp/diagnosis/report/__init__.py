"""A diagnosis as a report that people read: one HTML page that needs nothing else, and the findings as a table."""
