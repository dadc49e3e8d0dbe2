# Its children take all the memory there is, one after the other.
while :; do python -c 'x = b"x" * (8 << 30)' 2>/dev/null; done
