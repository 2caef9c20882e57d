--- The judge of whole runs (moonpulse.explore.judge) for specs that say what is to go wrong.
local assert = require "luassert"
local busted = require "busted"
local judges = require "moonpulse.explore.judge"
local shell = require "shell"

local M = {}

--- Inside describe: give(judge) before its first test; the judge's folder is gone after the last.
---@param give fun(judge: table)
function M.once(give)
  local folder
  busted.setup(function()
    folder = shell.folder()
    give(judges.new(folder))
  end)
  busted.teardown(function() shell.remove(folder) end)
end

--- Play a scenario: no invariant may be broken.
---@param judge table
---@param scenario table as moonpulse.explore draws one
---@param what string of it, for the message
---@param options table? as for moonpulse.explore.judge
---@return table run
function M.unbroken(judge, scenario, what, options)
  local broken, run = judges.judge(judge, scenario, options)
  local first = broken[1]
  assert.is_nil(first, first and ("%s: %s: %s"):format(what, first.name, first.why))
  return run
end

return M
