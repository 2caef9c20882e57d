--- moonpulse compile: a protocol, resolved, as a plan file that another lab can check and run.
local as_json = require "moonpulse.cli.as_json"
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local compiled = require "moonpulse.safety.compiled"
local escapes = require "moonpulse.text.escapes"
local numbers = require "moonpulse.text.numbers"

local M = {}

function M.parser()
  local parser = cli.parser("compile",
    "Write the resolved plan of a protocol to a file: its structure, its parameters, the seed of its "
      .. "random rests, and a SHA-256. run, show, events and check take it as they take a protocol; a file "
      .. "that was changed is refused. Intensities stay as they are written (%RMT, %AMT): the participant's "
      .. "thresholds belong to the run.",
    "moonpulse compile itbs600 -o itbs600.plan\nmoonpulse run itbs600.plan --amt 50")
  common.add_protocol(parser)
  parser:option("-o --output", "The file; - is standard output."):argname("FILE.plan")
  parser:flag("--json", "What was written, as one JSON object (docs/schemas).")
  return parser
end

--- What the plan draws, it draws from a seed that the file fixes; nil: it draws nothing.
local function seed_line(options, protocol, plan, drawn, seed)
  local random = plan:totals().random
  if protocol.seed or not random and not drawn then -- a plan file's seed was fixed before
    return nil
  end
  return ("seed %d fixes what is drawn, %s%s"):format(seed, random and drawn and "rests and orders"
    or drawn and "orders" or "rests", options.seed and "" or ": --seed N gives another draw")
end

function M.run(options)
  local protocol, plan, values, drawn = common.load(options, false, true)
  local seed = options.seed or 1
  local ok, text = pcall(compiled.text, protocol, plan, values, seed, drawn)
  if not ok then
    cli.fail(type(text) == "table" and text.code or "fault", "%s",
      type(text) == "table" and text.message or tostring(text))
  end
  local drawn_from = seed_line(options, protocol, plan, drawn, seed)
  local path = options.output or protocol.id .. ".plan"
  if path == "-" and options.json then
    cli.fail("usage", "-o - prints the plan, and --json what was written: name a file")
  elseif path == "-" then
    io.stdout:write(text)
    if drawn_from then
      io.stderr:write("moonpulse: note: ", drawn_from, "\n")
    end
    return
  end
  local file, message = io.open(path, "wb")
  if not file then
    cli.fail("usage", "cannot write the plan: %s", message)
  end
  local written
  written, message = file:write(text)
  if not (written and file:close()) then
    cli.fail("fault", "cannot write the plan: %s", message or path)
  end
  if options.json then
    return as_json.tell { what = "moonpulse compile", file = path, id = protocol.id, bytes = #text,
      pulses = plan:totals().pulses, sha256 = text:match("sha256 (%x+)\n$"), seed = seed }
  end
  print(("%s: %s, %d bytes, SHA-256 %s"):format(escapes.shown(path),
    numbers.counted(plan:totals().pulses, "pulse"), #text, text:match("sha256 (%x+)\n$")))
  if drawn_from then
    print(drawn_from)
  end
end

return M
