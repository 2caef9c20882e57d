--- One seed from its scenario to its verdict: played, now and then played again or recovered, and judged.
local core = require "moonpulse.core"
local evidence = require "moonpulse.explore.evidence"
local folders = require "moonpulse.record.folder"
local histories = require "moonpulse.explore.history"
local invariants = require "moonpulse.explore.invariants"
local kills = require "moonpulse.explore.kill"
local lfs = require "lfs"
local play = require "moonpulse.explore.play"
local several = require "moonpulse.explore.several"

local M = {}

local warm = 200 -- runs after which a process has loaded and made what it keeps

local patience_s = 0.2 -- of the processor

local function open_files()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do
    count = count + 1
  end
  return count
end

--- How many files this process has open; where more than expected, after looking for a while. What a run left
--- open stays open; what another thread is reading just now does not.
local function left_open(expected)
  local least, ends = open_files(), os.clock() + patience_s
  while least > expected and os.clock() < ends do
    least = math.min(least, open_files())
  end
  return least
end

--- How much is held between two runs, now and then; nil: it was not looked.
local function look_at_memory(self)
  self.memory_kb = nil
  if self.count >= warm and self.count % 200 == 0 then
    collectgarbage()
    collectgarbage() -- what finalizers let go of
    self.memory_kb = math.ceil(collectgarbage "count")
    self.first_kb = self.first_kb or self.memory_kb
  end
end

--- What is left in this process after a run.
local function look_after(self, run)
  local after = { is_virtual = core.is_virtual(), tasks = core.tasks() - self.tasks, open = 0 }
  for _, session in ipairs(run.sessions) do
    after.open = after.open + (session:state() ~= "closed" and 1 or 0)
  end
  self.count = self.count + 1
  if self.count % 50 == 0 then
    collectgarbage()
    self.files = self.files or left_open(0)
    after.files, after.files_before = left_open(self.files), self.files
    self.files = math.min(self.files, after.files)
  end
  after.memory_kb, after.first_kb = self.memory_kb, self.first_kb
  return after
end

--- A judge in this process, which plays in folder.
---@param folder string of its own
---@return table judge
function M.new(folder)
  return { folder = folder, count = 0, tasks = core.tasks(), asked = {} }
end

--- Play a scenario and judge it.
---@param self table of M.new
---@param scenario moonpulse.explore.Scenario
---@param how { again: boolean?, recover: boolean?, plant: function? }? again: played twice, to compare
---@return { name: string, why: string }[] broken invariants
---@return table run
function M.judge(self, scenario, how)
  how = how or {}
  look_at_memory(self)
  histories.prepare(scenario, function(each)
    folders.empty(self.folder)
    return evidence.read(play.run(each, self.folder))
  end)
  folders.empty(self.folder)
  local run = evidence.read(play.run(scenario, self.folder, how.plant))
  local flight = run.parts and (run.parts[1] and run.parts[1].place or "") .. "/flight.bin" or "flight.bin"
  if how.recover and run.files and run.files[flight] and run.manifest and run.start_ns then
    run.recovered = kills.recover(kills.at_the_end(run), self.folder .. "/recovered", run.parts)
  end
  if run.killed and run.start_ns then
    run.killed.recovered = kills.recover(run.killed.files, self.folder .. "/killed", run.parts)
  end
  several.divide_recovered(run)
  if how.again then -- to be the same to the byte: what the bytes say was read once
    run.again = play.run(scenario, self.folder, how.plant)
    run.long_way = scenario.plan and play.run(scenario, self.folder, how.plant, true)
  end
  run.after = look_after(self, run)
  if how.after then
    how.after(run)
  end
  return invariants.check(run, self.asked), run
end

return M
