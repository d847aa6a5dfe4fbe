"""MinIO, or another S3: the policies of those who use it, and how it is prepared."""
