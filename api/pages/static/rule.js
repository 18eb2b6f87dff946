// The condition of a rule is completed as that of a search is.

import { Completion } from "./search/completion.js";

new Completion(document.getElementById("when"), { chosen() {} });
