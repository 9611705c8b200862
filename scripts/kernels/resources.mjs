/**
 * What `ptxas -v` says of each kernel for each GPU: registers of a thread, and bytes of them that spill to memory.
 * @param {string | undefined} log
 * @returns {Record<string, Record<string, { registers: number, spills: number }>>}
 */
export function resourcesOf(log = '') {
  /** @type {ReturnType<typeof resourcesOf>} */
  const resources = {};
  const kernel = /Compiling entry function '(\w+)' for '(\w+)'([\s\S]*?)(?=Compiling entry function|$)/g;
  for (const [, name = '', arch = '', text = ''] of log.matchAll(kernel)) {
    const spilled = [...text.matchAll(/(\d+) bytes spill (?:stores|loads)/g)];
    const registers = /Used (\d+) registers/.exec(text)?.[1];
    if (spilled.length !== 2 || registers === undefined) throw new Error(`ptxas says nothing of ${name}: ${text}`);
    const spills = spilled.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
    resources[name] = { ...resources[name], [arch]: { registers: Number(registers), spills } };
  }
  return resources;
}
