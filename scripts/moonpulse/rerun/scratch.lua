--- A folder for what a run reads that is made from the folder of another one: a script may write beside
--- itself, and the record stays as it is.
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"
local folders = require "moonpulse.record.folder"
local lfs = require "lfs"
local recipes = require "moonpulse.rerun.recipe"

local M = {}

--- Make it, and work in it until what is returned is closed. Leaves with exit status 4 where it cannot.
---@param path string? where it lies; somewhere for what is temporary
---@return table to be closed
function M.make(path)
  local back = lfs.currentdir()
  local scratch, message = folders.scratch(path)
  if not (scratch and lfs.chdir(scratch.path)) then
    cli.fail("fault", "cannot make a folder for what the run reads: %s", message or scratch.path)
  end
  return setmetatable({ path = scratch.path }, { __close = function()
    lfs.chdir(back)
    local _ <close> = scratch -- from outside of it
  end })
end

--- Copy there what the run had, which is what it then reads.
---@param recipe moonpulse.Recipe its files and modules are there from now on
---@return string given the name of an empty folder in it
function M.fill(recipe)
  recipes.copy(recipe, ".")
  local given = recipes.free_name(".", "given"):gsub("/.*", "")
  assert(core.make_folder(given))
  return given
end

return M
