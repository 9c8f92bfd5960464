"""Emulate two nodes on one machine: two network namespaces with their own addresses, and a link."""

FIRST, SECOND = "10.77.0.1", "10.77.0.2"
# The namespaces are in a parent namespace, which the kernel removes with its last process. Host names do not resolve
# there, so each torchrun gets its address and its role explicitly.
_SCRIPT = f"""
set -e
mount -t tmpfs none /run
ip netns add one; ip netns add two
ip link add link_one netns one type veth peer name link_two netns two
for node in one two; do
    ip -n $node link set lo up
    ip -n $node link set link_$node up
done
ip -n one address add {FIRST}/24 dev link_one
ip -n two address add {SECOND}/24 dev link_two
on() {{ GLOO_SOCKET_IFNAME=link_$1 PET_LOCAL_ADDR=$2 PET_RDZV_CONF=is_host=$3 ip netns exec "$1" "${{@:4}}"; }}
on one {FIRST} 1 "$@" & first=$!
on two {SECOND} 0 "$@" & second=$!
wait $first; wait $second  # a second `wait -n` finds no job if both have ended
"""
ON_TWO_NODES = ["unshare", "--user", "--map-root-user", "--net", "--mount", "bash", "-c", _SCRIPT, "nodes"]
