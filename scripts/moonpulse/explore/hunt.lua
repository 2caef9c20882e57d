--- Many seeds on several processes, and what came of them.
local cjson = require "cjson"
local core = require "moonpulse.core"
local coverage = require "moonpulse.explore.coverage"
local folders = require "moonpulse.record.folder"
local lfs = require "lfs"
local numbers = require "moonpulse.text.numbers"
local companions = require "moonpulse.text.companions"
local progresses = require "moonpulse.text.progress"
local refusals = require "moonpulse.text.refusal"
local worker = require "moonpulse.explore.worker"

local M = {}

---@class moonpulse.explore.Sum
---@field runs integer
---@field pulses integer that simulators gave
---@field virtual_s number
---@field asked table<string, integer> by invariant
---@field cover table<string, table<string, integer>>
---@field found { seed: integer, broken: { name: string, why: string }[] }[] in the order of seeds
---@field took_s number
---@field processor_s number of processor time, of all processes

local function new_sum()
  return { runs = 0, pulses = 0, virtual_s = 0, processor_s = 0, asked = {}, cover = {}, found = {} }
end

--- Take in what a worker told.
local function take(sum, entry)
  if entry.found then
    entry.found.seed = math.floor(entry.found.seed)
    sum.found[#sum.found + 1] = entry.found
    return
  end
  sum.runs, sum.pulses = sum.runs + entry.runs, sum.pulses + entry.pulses
  sum.virtual_s = sum.virtual_s + entry.virtual_s
  sum.processor_s = sum.processor_s + entry.processor_s
  for name, count in pairs(entry.asked) do
    sum.asked[name] = (sum.asked[name] or 0) + count
  end
  coverage.merge(sum.cover, entry.cover)
end

--- How far it is.
local function show(bar, sum, given, began_ns)
  local passed_s = (core.clock_ns() - began_ns) / 1e9
  local share = given.seconds and passed_s or sum.runs
  bar:show(("%s runs, %.2f years, %s found"):format(numbers.count(sum.runs), sum.virtual_s / 31557600,
    #sum.found == 0 and "nothing" or tostring(#sum.found)), math.floor(share),
    math.floor(given.seconds or given.runs), given.seconds and "seconds" or "runs")
end

--- One process of a hunt: calls on_entry with what it tells.
local function start(task, number, given, on_entry)
  local state = { folder = worker.folder() }
  local runs = given.runs // given.jobs + (number <= given.runs % given.jobs and 1 or 0)
  state.process = assert(core.process {
    args = { companions.program(), "explore", "--worker", ("%d:%d:%d:%s:%d:%s"):format(
      given.seed + number - 1, given.jobs, given.seconds and math.maxinteger or runs, given.seconds or "",
      given.first and 1 or 0, state.folder) },
    on_line = function(line)
      state.text = (state.text or "") .. line:sub(1, -2)
      if line:sub(-1) == "+" then -- it goes on in the next line
        return
      end
      local ok, entry = pcall(cjson.decode, state.text)
      state.text, state.over = nil, state.over or ok and entry.over
      on_entry(ok and entry or { trouble = line })
    end,
    on_exit = function()
      state.ended = true
      task:wake()
    end,
  })
  return state
end

local function all_ended(states)
  for _, state in ipairs(states) do
    if not state.ended then
      return false
    end
  end
  return true
end

--- Hunt: seeds from given.seed on.
---@param given { seed: integer, runs: integer, seconds: number?, jobs: integer, first: boolean? } seconds: of
---   real time instead of runs
---@return moonpulse.explore.Sum
function M.run(given)
  local task, sum, states, began_ns = core.current(), new_sum(), {}, core.clock_ns()
  local bar <close> = progresses.new()
  for number = 1, math.min(given.jobs, given.runs) do
    states[number] = start(task, number, given, function(entry)
      if entry.trouble then
        sum.trouble = sum.trouble or entry.trouble
        return
      end
      take(sum, entry)
      show(bar, sum, given, began_ns)
      if entry.found and given.first then
        task:wake()
      end
    end)
  end
  while not all_ended(states) and not (given.first and sum.found[1]) do
    core.wait()
  end
  for number, state in ipairs(states) do
    state.process:close()
    if lfs.attributes(state.folder, "mode") then -- it was ended before it could
      folders.remove(state.folder)
    end
    if state.ended and not state.over then
      refusals.raise("fault",
        "worker %d ended without a word%s: the seeds from %d on, every %d, are not played",
        number, sum.trouble and " (" .. sum.trouble .. ")" or "", given.seed + number - 1, given.jobs)
    end
  end
  table.sort(sum.found, function(a, b) return a.seed < b.seed end)
  sum.took_s = (core.clock_ns() - began_ns) / 1e9
  return sum
end

--- The same in this process, for few runs.
---@param given table as for M.run
---@return moonpulse.explore.Sum
function M.here(given)
  local sum, began_ns = new_sum(), core.real_ns()
  worker.play({ seed = given.seed, step = 1, runs = given.runs, first = given.first }, function(entry)
    take(sum, entry)
  end)
  sum.took_s = (core.real_ns() - began_ns) / 1e9
  return sum
end

return M
