import { openState } from "../../shared/index.ts";

/*
 * A process that writes to the state store: `store-writer STATE ID COUNT`. Each transaction puts in two rows;
 * after each it prints the number of the transaction, which is then durable.
 */

const [directory = "", id = "", count = "0"] = process.argv.slice(2);
const state = openState(directory);
for (let number = 0; number < Number(count); number += 1) {
  state.write(() => {
    for (const half of ["a", "b"]) {
      state.run("INSERT INTO roots VALUES (?, ?, ?)", `${id}-${number}-${half}`, "x".repeat(500), "boot");
    }
  });
  process.stdout.write(`${number}\n`);
}
state.close();
