/** Does something when all is done: in a test file after its tests, in any other program when that ends. */
export function atEnd(work: () => void): void {
  if (typeof after !== "function") {
    process.on("exit", work);
    return;
  }
  after(function () {
    // Some hold a hundred thousand files, and other work may be going on.
    this.timeout(600_000);
    work();
  });
}
