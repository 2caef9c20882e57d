--- One process that plays seeds, and tells in lines of JSON what it found.
local cjson = require "cjson"
local core = require "moonpulse.core"
local coverage = require "moonpulse.explore.coverage"
local folders = require "moonpulse.record.folder"
local judges = require "moonpulse.explore.judge"
local lfs = require "lfs"
local scenarios = require "moonpulse.explore.scenario"

local M = {}

local again_every, recover_every = 16, 4 -- seeds of which one is played twice, or recovered: if cut, each
local tell_ns = 1000000000

--- A folder of this process, in memory if the system has one there.
---@return string path
function M.folder()
  local path = os.tmpname()
  os.remove(path)
  if lfs.attributes("/dev/shm", "mode") == "directory" then
    path = path:gsub("^.*/", "/dev/shm/")
  end
  assert(core.make_folder(path, false))
  return path
end

--- How a seed is judged: what costs a second run or a recovery, now and then.
---@param seed integer
---@param scenario moonpulse.explore.Scenario of it
---@return table how
function M.how(seed, scenario)
  return { again = seed % again_every == 0,
    recover = seed % recover_every == 0 or scenarios.is_cut(scenario) }
end

local function new_state()
  return { runs = 0, pulses = 0, virtual_ns = 0, cover = {}, clock = os.clock() }
end

local function count(state, run)
  state.runs = state.runs + 1
  state.pulses = state.pulses + #run.given
  state.virtual_ns = state.virtual_ns + ((run.ended_ns or 0) - (run.began_ns or 0))
  coverage.add(state.cover, run)
end

--- Play seeds and tell of them.
---@param given { seed: integer, step: integer, runs: integer, until_ns: integer?, first: boolean?, folder:
---   string? } seed,
---   seed +
---   step, ...: so many; not beyond until_ns of the real clock
---@param tell fun(entry: table) is told { found = {...} } at once, { runs =, ... } every second and at the
---   end
function M.play(given, tell)
  local folder <close> = setmetatable({ path = given.folder or M.folder() }, { __close = function(self)
    folders.remove(self.path)
  end })
  local judge, state, told_ns, seed = judges.new(folder.path), new_state(), core.real_ns(), given.seed
  local total = 0
  collectgarbage("setpause", 400) -- what a run leaves is short-lived
  local function say(over)
    tell { runs = state.runs, pulses = state.pulses, virtual_s = state.virtual_ns / 1e9, cover = state.cover,
      asked = judge.asked, over = over, processor_s = os.clock() - state.clock }
    judge.asked, state, told_ns = {}, new_state(), core.real_ns()
  end
  while total < given.runs and not (given.until_ns and core.real_ns() > given.until_ns) do
    local scenario = scenarios.draw(seed)
    local broken, run = judges.judge(judge, scenario, M.how(seed, scenario))
    count(state, run)
    if broken[1] then
      tell { found = { seed = seed, broken = broken } }
      if given.first then
        break
      end
    end
    if core.real_ns() - told_ns > tell_ns then
      say()
    end
    seed, total = seed + given.step, total + 1
  end
  say(true)
end

--- The worker of a process: tells its parent on standard output.
---@param text string "seed:step:runs:seconds:first:folder"
function M.main(text)
  local seed, step, runs, seconds, first, folder = text:match("^(%d+):(%d+):(%d+):([%d.]*):(%d):(.*)$")
  local until_ns = tonumber(seconds) and core.real_ns() + math.floor(tonumber(seconds) * 1e9)
  local out, most = io.stdout, 400 -- of a line: a process reads no longer ones
  M.play({ seed = math.tointeger(seed), step = math.tointeger(step), runs = math.tointeger(runs),
    until_ns = until_ns, first = first == "1", folder = folder }, function(entry)
    local whole = cjson.encode(entry)
    for at = 1, #whole, most do
      out:write(whole:sub(at, at + most - 1), at + most > #whole and "." or "+", "\n")
    end
    assert(out:flush()) -- nobody listens: who began it is gone, and it ends as well
  end)
end

return M
