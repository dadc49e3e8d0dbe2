while :; do cat /dev/zero >> /tmp/zeros; done 2>/dev/null
