// What `require('lockstep')` gives where Node cannot require an ES module: the reason and the ways out.
// package.json names it under `require`, behind `module-sync`, which every Node that can require one asks for first.

const error: Error & { code?: string } = new Error(
  `Lockstep is an ES module, and Node ${process.version} as it runs here cannot require() one: use Node 20.19, 22.12 or newer without ` +
    "--no-experimental-require-module, or write `await import('lockstep')`, which every Node takes.",
);
error.code = 'ERR_REQUIRE_ESM';
throw error;
