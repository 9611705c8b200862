{
  "targets": [
    {
      "target_name": "metadata",
      "type": "static_library",
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden", "-fno-strict-aliasing"],
      "cflags": ["-O3", "-fPIC"],
      "sources": [
        "../wasm/batch-facts.cc",
        "../wasm/batch-state.cc",
        "../wasm/block-lists.cc",
        "../wasm/block-table.cc",
        "../wasm/build-step.cc",
        "../wasm/continue-decodes.cc",
        "../wasm/decode-lanes.cc",
        "../wasm/kernels.cc",
        "../wasm/lane-events.cc",
        "../wasm/lane-tensors.cc",
        "../wasm/paged-kv.cc",
        "../wasm/parts.cc",
        "../wasm/shared-blocks.cc",
        "../wasm/slot-mapping.cc",
        "../wasm/whole-batch.cc"
      ]
    },
    {
      "target_name": "lockstep",
      "dependencies": ["metadata", "<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except_all"],
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
        "addon/metadata-object.cc",
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
