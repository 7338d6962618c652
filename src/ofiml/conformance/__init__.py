"""Books with known answers (`ofi_books.json`), and what holds an implementation of OFI against them."""
