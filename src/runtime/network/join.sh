#!/bin/sh
# OCI createRuntime hook: gives a container that is being created its link to the host. The container's state comes on standard input.
# Arguments: interface on the host, address of the dyno, address of the gateway, MTU.
# Routed, not bridged: each dyno has its own link with a /32 route on it, so that dynos share no Ethernet segment.
set -eu
host=$1 address=$2 gateway=$3 mtu=$4
state=
while IFS= read -r line || [ -n "$line" ]; do state=$state$line; done
pid=${state#*\"pid\":}
pid=${pid# }
pid=${pid%%[!0-9]*}
link() {
  ip -batch - <<EOF
link add $host mtu $mtu type veth peer name eth0 mtu $mtu netns $pid
address add $gateway/32 dev $host
link set $host up
route add $address/32 dev $host
EOF
}
# A link of that name can only be what is left of a dead dyno.
link 2>/dev/null || { ip link delete "$host" 2>/dev/null || :; link; }
exec nsenter --target "$pid" --net ip -batch - <<EOF
address add $address/32 dev eth0
link set eth0 up
route add $gateway/32 dev eth0 scope link
route add default via $gateway
EOF
