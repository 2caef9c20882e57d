--- What every driver must do with its simulator: the same numbered cases for all of them.
--- A driver's own spec runs them with require("moonpulse.conformance").spec("./mybox.lua").
local devices = require "moonpulse.driver.find"
local kits = require "moonpulse.conformance.kit"

local M = {}

---@class moonpulse.conformance.Case
---@field number integer
---@field name string
---@field run fun(kit: table)
M.cases = {}

for _, part in ipairs { "codec", "bounds", "talk", "trouble", "runs" } do
  for _, case in ipairs(require("moonpulse.conformance." .. part).cases) do
    local run = case[2]
    if part ~= "runs" then -- runs have a time of their own
      run = function(kit) kit:on_stands(function() case[2](kit) end) end
    end
    M.cases[#M.cases + 1] = { number = #M.cases + 1, name = case[1], run = run }
  end
end

--- Run one case.
---@param case moonpulse.conformance.Case
---@param kit table from M.kit
---@return "passed"|"skipped"|"failed"
---@return string? why
function M.run(case, kit)
  local ok, problem = xpcall(case.run, function(problem)
    return type(problem) == "string" and problem:find("^%S+%.lua:%d+: ")
      and debug.traceback(problem, 2) or problem
  end, kit)
  if ok then
    return "passed"
  end
  local why = kits.skipped(problem)
  return why and "skipped" or "failed", why or tostring(problem)
end

M.kit = kits.new

--- Define the cases for busted.
---@param name string a driver's name, or the path of its file
---@param options { settings: table?, kin: string[]? }?
function M.spec(name, options)
  local busted = require "busted"
  local pending = require "busted.core"().pending -- what a test calls to be skipped
  local driver = assert(devices.find(name))
  busted.describe("conformance of " .. driver.name, function()
    local kit = kits.new(driver, options)
    for _, case in ipairs(M.cases) do
      busted.it(("%02d %s"):format(case.number, case.name), function()
        local verdict, why = M.run(case, kit)
        if verdict == "skipped" then
          pending(why)
        elseif verdict == "failed" then
          error(why, 0)
        end
      end)
    end
  end)
end

return M
