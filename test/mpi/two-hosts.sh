#!/bin/bash
# Runs `node ARGS` as an MPI job of RANKS processes on two hosts: two network and UTS namespaces, with host names of their own, joined by a
# pair of virtual interfaces, and no transport between ranks but TCP. For root; needs iproute2.
#   two-hosts.sh COUNTERS RANKS NODE ARGS...
# COUNTERS gets a line for each host: its name, and the bytes that its interface sent before and after the job. The exit status is
# mpirun's; 77, with the reason on standard error, where the namespaces cannot be made.
set -u
counters=$1 ranks=$2
shift 2
here=lockstep-$$ there=lockstep-$$-b
ours=10.87.0.1 theirs=10.87.0.2
agent=$(mktemp)

absent() {
  echo "two hosts: $1" >&2
  exit 77
}

remove() {
  ip netns pids "$there" 2>/dev/null | xargs -r kill -9
  ip netns del "$here" 2>/dev/null
  ip netns del "$there" 2>/dev/null
  rm -f "$agent"
}

sent() {
  ip netns exec "$1" sh -c 'ip -s -o link show dev host | sed "s/.*TX: *[a-z ]*\\\\ *\([0-9]*\).*/\1/"'
}

for tool in ip unshare hostname mpirun; do command -v "$tool" >/dev/null || absent "$tool is not installed"; done
[ "$(id -u)" = 0 ] || absent 'namespaces are made by root alone'
trap remove EXIT
{ ip netns add "$here" && ip netns add "$there" && unshare --uts true; } 2>/dev/null || absent 'this machine lets no namespaces be made'
ip -n "$here" link add host type veth peer name host netns "$there" 2>/dev/null || absent 'this machine lets no virtual interfaces be made'
for each in "$here $ours" "$there $theirs"; do
  read -r name address <<<"$each"
  ip -n "$name" addr add "$address/24" dev host || exit 1
  ip -n "$name" link set lo up || exit 1
  ip -n "$name" link set host up || exit 1
done

# mpirun starts its daemon on the other host with this in place of ssh: AGENT HOST COMMAND...
cat >"$agent" <<AGENT
#!/bin/bash
shift
exec ip netns exec $there unshare --uts bash -c 'hostname host-b && eval "\$*"' host-b "\$@"
AGENT
chmod +x "$agent"

before=("$(sent "$here")" "$(sent "$there")")
ip netns exec "$here" unshare --uts bash -c 'hostname host-a && exec "$@"' host-a \
  mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$ranks" --host "$ours:$((ranks / 2)),$theirs:$((ranks / 2))" \
  --mca plm_rsh_agent "$agent" --mca oob_tcp_if_include "${ours%.*}.0/24" \
  --mca pml ob1 --mca btl tcp,self --mca btl_tcp_if_include "${ours%.*}.0/24" "$@"
status=$?
{
  echo "host-a ${before[0]} $(sent "$here")"
  echo "host-b ${before[1]} $(sent "$there")"
} >"$counters"
exit $status
