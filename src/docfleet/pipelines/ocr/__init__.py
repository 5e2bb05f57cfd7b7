"""OCR: text lines of a page, found and read."""
