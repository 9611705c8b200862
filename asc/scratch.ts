// Arrays of float64 and int32 numbers at an address, in which the ladder optimiser works.

export function real(at: usize, index: i32): f64 {
  return load<f64>(at + ((<usize>index) << 3));
}

export function setReal(at: usize, index: i32, value: f64): void {
  store<f64>(at + ((<usize>index) << 3), value);
}

export function int(at: usize, index: i32): i32 {
  return load<i32>(at + ((<usize>index) << 2));
}

export function setInt(at: usize, index: i32, value: i32): void {
  store<i32>(at + ((<usize>index) << 2), value);
}
