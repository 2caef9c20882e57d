std = "lua54"
max_line_length = 110
files["**/*_spec.lua"] = { std = "+busted" }
files["tests/data"] = { ignore = { "631" } } -- cases as they came
files["scripts/moonpulse/types"] = { ignore = { "212" } } -- functions without a body: they are read, not run
