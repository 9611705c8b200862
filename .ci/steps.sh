# shellcheck shell=bash
# The steps of .ci/run that are more than one command. Each runs in a shell of its own; lines that begin with `note: ` or
# `not run: ` are shown even when it passes.

install_packages() {
  local wanted=()
  command -v emcc >/dev/null || wanted+=(emscripten)
  # It brings libmpi.so.40, which the addon opens by name: no headers are needed.
  command -v mpirun >/dev/null || wanted+=(openmpi-bin)
  # For the namespaces that stand for two hosts.
  command -v ip >/dev/null || wanted+=(iproute2)
  /usr/bin/python3 -c 'import numpy' 2>/dev/null || wanted+=(python3-numpy)
  command -v g++ >/dev/null || wanted+=(g++)
  command -v make >/dev/null || wanted+=(make)
  command -v python3 >/dev/null || wanted+=(python3)
  # For test/page: the browser that the page is tried in.
  command -v chromium >/dev/null || wanted+=(chromium)
  # For test/abi: AMD's headers, and a runtime that opens without a GPU.
  [ -e /usr/include/hip/hip_runtime_api.h ] || wanted+=(libamdhip64-dev)
  command -v readelf >/dev/null || wanted+=(binutils)
  # The first clang of Debian 12 that knows gfx942, and its linker.
  command -v clang-19 >/dev/null && command -v ld.lld-19 >/dev/null || wanted+=(clang-19 lld-19)
  if [ ${#wanted[@]} = 0 ]; then
    echo 'note: everything was there'
    return
  fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not run: installation of ${wanted[*]}: needs root and apt-get"
    return
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update && apt-get install -y --no-install-recommends "${wanted[@]}" && echo "note: installed ${wanted[*]}"
}

setup_again() {
  local started ended log
  started=$(date +%s%N)
  log=$(npm run --silent setup 2>&1) || { echo "$log"; return 1; }
  ended=$(date +%s%N)
  echo "$log"
  echo "note: $(((ended - started) / 1000000)) ms"
  grep -q 'nothing to do' <<<"$log" && [ $((ended - started)) -lt 3000000000 ]
}

compare_module() {
  local out
  out=$(mktemp -d)
  npm run build:wasm -- --out "$out" && cmp "$out/metadata.wasm" wasm/metadata.wasm && cmp "$out/metadata-scalar.wasm" wasm/metadata-scalar.wasm
}

# A lane by its command, and its LOCKSTEP_RUNS.
run_lane() {
  rm -f .setup/vitest.json
  LOCKSTEP_RUNS=$2 $1
  local rc=$?
  node .ci/count-tests.mjs .setup/vitest.json "$rc"
}

# Node's own binaries ask for glibc 2.28; Debian 12, where releases are built, has 2.36.
glibc_floor() {
  local addon floor
  addon=$(echo prebuilds/linux-*/lockstep.node)
  readelf -V "$addon" || return 1
  floor=$(readelf -V "$addon" | grep -oE 'GLIBC_[0-9.]+' | sort -Vu | tail -n 1)
  echo "note: $floor, $(readelf -V "$addon" | grep -oE 'GLIBCXX_[0-9.]+' | sort -Vu | tail -n 1), $(stat -c %s "$addon") bytes"
  [ "$(printf '%s\nGLIBC_2.36\n' "$floor" | sort -V | tail -n 1)" = GLIBC_2.36 ] || {
    echo "the addon needs $floor and would not load on Debian 12"
    grep -q '^VERSION_ID="12"' /etc/os-release && return 1
    echo 'note: this is not Debian 12: a build made here is not one to publish'
  }
}

# A folder with what git would check out, committed, and nothing built; prints its path.
fresh_checkout() {
  local copy
  copy=$(mktemp -d)
  git ls-files -co --exclude-standard -z | tar c --null -T - | tar x -C "$copy" || return 1
  cd "$copy" || return 1
  git init -q . && git add -A && git -c user.name=ci -c user.email=ci@localhost commit -qm checkout || return 1
  pwd
}

start_from_nothing() {
  local copy rc=0
  copy=$(fresh_checkout) && cd "$copy" || return 1
  npm start || rc=1
  [ -z "$(git status --porcelain)" ] || { git status --short; rc=1; }
  cd / && rm -rf "$copy"
  return $rc
}

# In a copy: set-up is killed while its compilers run, then two start at once, with settings that leave out what it needs.
interrupted_setup() {
  local copy rc=0 pid one
  copy=$(fresh_checkout) && cd "$copy" || return 1
  export NODE_ENV=production npm_config_omit=dev
  setsid node scripts/setup.mjs &
  pid=$!
  until [ -e .setup/log/compile.log ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  sleep 1
  kill -9 -- "-$pid"
  wait "$pid"
  node scripts/setup.mjs &
  one=$!
  npm run setup || rc=1
  wait "$one" || rc=1
  node scripts/setup.mjs 2>&1 | tee again.log
  grep -q 'nothing to do' again.log || rc=1
  rm again.log
  [ -z "$(git status --porcelain)" ] || { git status --short; rc=1; }
  node dist/cli/main.js --version || rc=1
  cd / && rm -rf "$copy"
  return $rc
}

# Nothing of one machine belongs in the tree: its folders, or the host its packages came from.
committed_text() {
  local rc=0
  git grep -nIE '/(w[o]rk|r[o]ot|h[o]me/[a-z]+|Us[e]rs/[a-z]+)(/|$)' && rc=1
  git grep -nIE 'https?://[^/ ]*(regist[r]y|artifact[o]ry|nex[u]s|verdacc[i]o)' && rc=1
  git grep -nE '"res[o]lved":' -- package-lock.json && rc=1
  git grep -laE '/(w[o]rk|r[o]ot|h[o]me|t[m]p)/' -- '*.wasm' && rc=1
  return $rc
}

clean_as_before() {
  # shellcheck disable=SC2154 # exported by .ci/run
  [ "$(git status --porcelain)" = "$before" ] || { git status --short; return 1; }
}
