--- A validator of JSON that is not ours (tests/helpers/check_schema.py), started once for all that a spec
--- asks it.
local shell = require "shell"

local M = {}

local Judge = {}
Judge.__index = Judge

--- Start one, which is to be closed.
---@param folder string for its answers
---@return table judge
function M.new(folder)
  local errors = folder .. "/.judge.err"
  local pipe = assert(io.popen("exec python3 tests/helpers/check_schema.py --serve 2>" .. shell.quote(errors),
    "w"))
  return setmetatable({ folder = folder, pipe = pipe, asked = 0, errors = errors }, Judge)
end

--- What it says of files, a line for each problem: "" is that all of them are right.
---@param arguments string as check_schema.py takes them
---@return string
function Judge:ask(arguments)
  self.asked = self.asked + 1
  local answer = ("%s/.judged.%d"):format(self.folder, self.asked)
  self.pipe:write(shell.quote(answer), " ", arguments, "\n")
  self.pipe:flush()
  local text = shell.await(function()
    local failed = shell.read(self.errors) or ""
    return shell.read(answer) or failed ~= "" and "2\n" .. failed
  end, "an answer of the validator")
  local status, said = text:match "^(%d)\n(.*)$"
  assert(status == "0" and said == "" or status == "1" and said ~= "", text)
  return said
end

function Judge:close()
  self.pipe:close()
end

return M
