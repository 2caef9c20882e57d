--- The fixture of specs that start Moonpulse: a folder for each test, jobs in the background that end with
--- it, and what a run left.
local assert = require "luassert"
local busted = require "busted"
local cjson = require "cjson"
local shell = require "shell"

local M = {}

local Jobs = {}
Jobs.__index = Jobs

--- As shell.start, in the test's folder: the job is killed after the test, if it has not ended.
function Jobs:start(name, arguments, environment, before)
  local job = shell.start(self.folder, name, arguments, environment, before)
  self[#self + 1] = job
  return job
end

--- Inside describe: before each test, give(folder, jobs) is called; after it nothing of either is left.
---@param give fun(folder: string, jobs: table) jobs: a list, with start
function M.each_test(give)
  local jobs
  busted.before_each(function()
    jobs = setmetatable({ folder = shell.folder() }, Jobs)
    give(jobs.folder, jobs)
  end)
  busted.after_each(function()
    for _, job in ipairs(jobs) do
      job:kill()
    end
    shell.remove(jobs.folder)
  end)
end

--- The folder of the one run under out. Fails where there is none, or another.
---@param out string what --out said
---@return string
function M.run_in(out)
  local names = shell.names(out)
  assert.are.equal(1, #names, "runs in " .. out)
  return out .. "/" .. names[1]
end

--- A run's manifest.json.
---@param run string its folder
---@return table
function M.manifest(run)
  return cjson.decode((assert(shell.read(run .. "/manifest.json"))))
end

return M
