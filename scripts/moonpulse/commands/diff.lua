--- moonpulse diff: what differs between two runs or two plans.
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local compare = require "moonpulse.compare"
local json = require "moonpulse.text.sorted_json"
local lfs = require "lfs"
local outline = require "moonpulse.show.outline"
local read = require "moonpulse.record.read"
local records = require "moonpulse.cli.records_option"
local sides = require "moonpulse.compare.side"
local words = require "moonpulse.compare.words"

local M = {}

function M.parser()
  local parser = cli.parser("diff",
    "What differs between two runs, two plans, or a run and a plan: protocol, parameters, thresholds, "
      .. "pulses by train (how many, how strong, at which intervals), device and waveform, how it ended. "
      .. "Exit status 0: what was given (or planned) is the same; 1: it differs. What says nothing of that, "
      .. "such as the date, the onset errors and the version, is told and counts for nothing.",
    "moonpulse diff 2026-11-22T101500_itbs600 2026-11-24T101500_itbs600\n"
      .. "moonpulse diff itbs600.plan ours.lua --amt 50\n"
      .. "moonpulse diff itbs600 itbs600 --param-b trains=10\n"
      .. "moonpulse diff itbs600 2026-11-22T101500_itbs600 --amt 50 --json")
  for _, name in ipairs { "a", "b" } do
    parser:argument(name, "A run (" .. records.named .. "), a plan file, or a protocol (its id, or the path "
      .. "of its file)."):argname(name:upper())
  end
  parser:option("--rmt", "Of protocols and plan files: the resting motor threshold, %MSO.")
    :convert(common.number(1, 100, "%MSO")):argname("N")
  parser:option("--amt", "The active motor threshold, %MSO.")
    :convert(common.number(1, 100, "%MSO")):argname("N")
  parser:option("-p --param", "A parameter of both protocols."):count("*"):argname("KEY=VALUE")
  parser:option("--param-a", "A parameter of A alone."):count("*"):argname("KEY=VALUE")
  parser:option("--param-b", "A parameter of B alone."):count("*"):argname("KEY=VALUE")
  parser:option("--seed", "Of protocols: decides random rests and orders. Default: the run's, else 1.")
    :convert(common.seed):argname("N")
  parser:flag("--json", "The result as JSON.")
  return parser
end

--- The run that was named, as its folder; nil: it is none.
local function run_of(named)
  local folder, is_folder = records.or_plan(named)
  if not is_folder then
    return nil
  elseif lfs.attributes(folder .. "/manifest.json", "mode") ~= "file" then
    cli.fail("usage", "%s has no manifest.json: is it the folder of a run?", folder)
  end
  return folder
end

--- seed: for what has none of its own.
local function plan_of(options, named, own, seed)
  local param, owned = { table.unpack(own) }, common.pairs("--param-a or --param-b", own)
  for _, text in ipairs(options.param) do -- one's own counts before that of both
    param[#param + 1] = owned[text:match("^[^=]*")] == nil and text or nil
  end
  local asked = { protocol = named, param = param, rmt = options.rmt, amt = options.amt,
    seed = options.seed or not named:find("%.plan$") and seed or nil }
  local protocol, plan, values = common.load(asked)
  local side, message = sides.of_plan(named, protocol, plan, { seed = asked.seed or 1, values = values,
    outline = outline.of(plan), thresholds = { RMT = options.rmt, AMT = options.amt } })
  return side or cli.fail("usage", "%s", message)
end

--- A run's own seed, for the plan that it is compared with.
local function seed_of(folder)
  local manifest = folder and read.manifest(folder .. "/manifest.json")
  return manifest and math.tointeger(tonumber(manifest.seed)) or nil
end

function M.run(options)
  local folders = { run_of(options.a), run_of(options.b) }
  local seed = seed_of(folders[1]) or seed_of(folders[2])
  local both = {}
  for i, name in ipairs { "a", "b" } do
    local named = options[name]
    local side, message
    if folders[i] then
      side, message = sides.of_run(folders[i], named)
    else
      side = plan_of(options, named, options["param_" .. name], seed)
    end
    both[i] = side or cli.fail("usage", "%s", message)
  end
  local comparison = compare.compare(both[1], both[2])
  if options.json then
    print(json.encode(words.data(both[1], both[2], comparison)))
  else
    words.tell(both[1], both[2], comparison, print)
  end
  return comparison.same and 0 or 1
end

return M
