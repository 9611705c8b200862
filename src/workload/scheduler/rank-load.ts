/** What a rank has to do, for the choice of the rank that a request goes to: the least first. Source: vLLM's data-parallel load balancing. */
export function rankLoad(waiting: number, running: number): number {
  return 4 * waiting + running;
}
