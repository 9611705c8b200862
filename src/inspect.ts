/** The method that Node's `util.inspect`, and so `console.log`, asks an object for; no other engine calls it. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** Makes `console.log` show the objects of a class as the value that `shown` gives, under the class's name. */
export function inspectAs<T extends object>(
  type: { readonly name: string; readonly prototype: T },
  shown: (of: T) => object,
): void {
  const method = function (
    this: T,
    _depth: number,
    options: object,
    inspect: (value: object, options: object) => string,
  ): string {
    return `${type.name} ${inspect(shown(this), options)}`;
  };
  Object.defineProperty(type.prototype, INSPECT, { value: method });
}
