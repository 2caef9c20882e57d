--- What somebody wrote in folder/made.lua, and what Moonpulse says to it, called there.
local assert = require "luassert"
local lfs = require "lfs"
local shell = require "shell"

local M = {}

--- Write text and run the program in the folder.
---@param folder string
---@param arguments string
---@param text string
---@return integer status
---@return string out
---@return string err
function M.moonpulse(folder, arguments, text)
  shell.write(folder .. "/made.lua", text)
  local program = shell.absolute
  return shell.sh(folder, ("cd %s && %s %s"):format(shell.quote(folder), shell.quote(program), arguments))
end

--- It is refused in a message that holds every text given.
---@return string err
function M.refuses(folder, arguments, text, ...)
  local status, _, err = M.moonpulse(folder, arguments, text)
  assert.is_true(status ~= 0, "it was taken")
  for _, each in ipairs { ... } do
    assert.matches(each, err, 1, true)
  end
  return err
end

--- Run an experiment whose function has this body, from line 4 on, in virtual time.
---@param folder string
---@param names string its third line
---@param body string
---@param more string? options
---@param environment string? as shell text
---@return integer status
---@return string out
---@return string err
---@return string? run its folder
function M.perform(folder, names, body, more, environment)
  shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
    .. names .. "\n" .. body .. "\nend)\n")
  local had, made = {}, nil
  for _, name in ipairs(lfs.attributes(folder .. "/runs", "mode") and shell.names(folder .. "/runs") or {}) do
    had[name] = true
  end
  local status, out, err = shell.moonpulse(folder, ("run %s/made.lua %s"):format(folder,
    shell.options(more, ("--speed max --seed 7 --out %s/runs"):format(folder))), environment)
  for _, name in ipairs(lfs.attributes(folder .. "/runs", "mode") and shell.names(folder .. "/runs") or {}) do
    made = not had[name] and name or made -- the last by name is not always the newest: _10 comes before _9
  end
  return status, out, err, made and folder .. "/runs/" .. made
end

return M
