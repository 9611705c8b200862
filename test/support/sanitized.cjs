// For `node --require`: the library that LOCKSTEP_TEST_ADDON names is loaded in the addon's place, in workers too.
const { dlopen } = process;
process.dlopen = (module, file, ...flags) =>
  dlopen.call(process, module, file.endsWith('lockstep.node') ? process.env.LOCKSTEP_TEST_ADDON : file, ...flags);
