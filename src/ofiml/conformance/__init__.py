"""Check an implementation of OFI against books with known answers (`ofi_books.json`)."""
