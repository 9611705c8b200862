{
  "targets": [
    {
      "target_name": "metadata",
      "type": "static_library",
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden", "-fno-strict-aliasing"],
      "cflags": ["-O3", "-fPIC"],
      "sources": ["<!@(node -p \"require('fs').readdirSync('../wasm').filter((name) => name.endsWith('.cc')).sort().map((name) => '../wasm/' + name).join(' ')\")"]
    },
    {
      "target_name": "lockstep",
      "dependencies": ["metadata", "<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except_all"],
      "include_dirs": ["."],
      "defines": ["NAPI_VERSION=8", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "cflags!": ["-O3"],
      "cflags": ["-O2", "-ffunction-sections", "-fdata-sections"],
      "libraries": ["-ldl", "-lpthread"],
      "ldflags": ["-Wl,-s", "-Wl,--gc-sections"],
      "sources": [
        "addon/addon.cc",
        "addon/arguments.cc",
        "addon/async-wait.cc",
        "addon/backends.cc",
        "addon/buffer-object.cc",
        "addon/device-object.cc",
        "addon/event-object.cc",
        "addon/graph-object.cc",
        "addon/metadata-object.cc",
        "addon/module-object.cc",
        "addon/pool-object.cc",
        "addon/readback-object.cc",
        "addon/recording-object.cc",
        "addon/stream-object.cc",
        "core/account.cc",
        "core/capture.cc",
        "core/command-block.cc",
        "core/device.cc",
        "core/graph.cc",
        "core/launch.cc",
        "core/pool.cc",
        "core/retire.cc",
        "core/stream.cc",
        "host/host-backend.cc",
        "host/host-captures.cc",
        "host/host-memory.cc",
        "host/host-module.cc",
        "host/host-stream.cc",
        "host/host-sync.cc",
        "host/machine-memory.cc",
        "kernels/builtin.cc",
        "kernels/copy.cc",
        "kernels/fill.cc",
        "kernels/kv-read.cc",
        "kernels/kv-write.cc"
      ]
    }
  ]
}
