"""What a source holds, known within seconds: from its first rows, before anything is prepared."""
