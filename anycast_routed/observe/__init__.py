"""Facts come in: the DNS server's answers and the kernel's addresses."""
