{
  "targets": [
    {
      "target_name": "lockstep",
      "dependencies": ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except_all"],
      "include_dirs": ["."],
      "defines": ["NAPI_VERSION=8", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "cflags!": ["-O3"],
      "cflags": ["-O2"],
      "libraries": ["-ldl", "-lpthread"],
      "sources": [
        "addon/addon.cc",
        "addon/arguments.cc",
        "addon/async-wait.cc",
        "addon/buffer-object.cc",
        "addon/device-object.cc",
        "addon/event-object.cc",
        "addon/graph-object.cc",
        "addon/module-object.cc",
        "addon/readback-object.cc",
        "addon/stream-object.cc",
        "core/capture.cc",
        "core/command-block.cc",
        "core/device.cc",
        "core/launch.cc",
        "core/stream.cc",
        "host/host-backend.cc",
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
