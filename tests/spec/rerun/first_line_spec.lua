-- The first line of a journal says how a run was driven. One that is not as it was written says nothing, and
-- the line behind it does not take its place.
local fixture = require "job"
local recipes = require "moonpulse.rerun.recipe"
local shell = require "shell"

describe("a run that is to be done again", function()
  it("is not driven by a first line that was changed, nor by a later one in its place", function()
    local folder = shell.folder()
    shell.write(folder .. "/one.lua", 'local mp = require "moonpulse"\nreturn mp.experiment { name = "One", '
      .. "run = function(run) local stim = run:device() stim:arm() stim:fire(mp.pulse(mp.mso(50))) end }\n")
    assert.are.equal(0, (shell.moonpulse(folder, ("run %s/one.lua --speed max --out %s/out"):format(folder,
      folder))))
    local run = fixture.run_in(folder .. "/out")
    local path = run .. "/journal.jsonl"
    local first, rest = shell.read(path):match("^([^\n]*\n)(.*)$")
    assert.is_table(recipes.read(run))
    local changed = first:gsub('"options":', '"options" :')
    for _, text in ipairs { changed .. rest, "{\n" .. first .. rest, changed .. first .. rest } do
      shell.write(path, text)
      local recipe, message = recipes.read(run)
      assert.matches("its first line is not as it was written", recipe and recipe.changed or message, 1, true)
      assert.is_true(not recipe or recipe.wrong[1] ~= nil)
    end
    shell.remove(folder)
  end)
end)
