"""The Cloud Storage part: buckets, objects, uploads and downloads."""
