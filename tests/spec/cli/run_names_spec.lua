-- A run is named by its folder, or by its name alone in the place of all records: to every command that takes
-- one, and so they say it in --help; moonpulse runs prints that name.
local fixture = require "job"
local lfs = require "lfs"
local shell = require "shell"

-- of every command that takes a run: a line of arguments, and the status where all is well
local lines = { diff = "NAME NAME", export = "prov NAME -o FOLDER/out.json", methods = "NAME",
  note = "NAME 'coil held by hand' --key FOLDER/key", -- whether sign came before or not
  recover = "NAME", rerun = "NAME --out FOLDER/again", resume = "NAME", sign = "NAME --key FOLDER/key",
    verify = "NAME" }
local nothing_to_do = { recover = "is not torn", resume = "came to its end" } -- they say so, of this run

describe("the name of a run", function()
  local folder

  fixture.each_test(function(made) folder = made end)

  it("is what every command that takes a run has a line here for", function()
    for file in lfs.dir "scripts/moonpulse/commands" do
      local command = file:match "^(%l+)%.lua$"
      local text = command and shell.read("scripts/moonpulse/commands/" .. file) or ""
      if text:find(':argname%("RUN"%)') or text:find("RUN|FILE", 1, true) then
        assert.is_not_nil(lines[command], command)
      end
    end
  end)

  it("is understood by each of them, from any folder, and said in its --help", function()
    assert.are.equal(0, (shell.moonpulse(folder, "run ctbs600 --amt 50 --speed max")))
    local name = shell.names(folder .. "/.records")[1]
    shell.sh(folder, ("ssh-keygen -q -t ed25519 -N '' -f %s/key; mkdir %s/elsewhere"):format(folder, folder))
    for command, line in pairs(lines) do
      local arguments = line:gsub("NAME", name):gsub("FOLDER", folder)
      local status, out, err = shell.sh(folder, ("cd %s/elsewhere && exec %s %s %s"):format(folder,
        shell.quote(shell.absolute), command, arguments))
      assert.are.equal(nothing_to_do[command] and 2 or 0, status, command .. ": " .. err .. out)
      if nothing_to_do[command] then
        assert.matches(("%s/.records/%s %s"):format(folder, name, nothing_to_do[command]), err, 1, true)
      end
      local _, help = shell.moonpulse(folder, command .. " --help")
      assert.matches("its name alone in the place of all records", help:gsub("%s+", " "), 1, true)
    end
    local bids = ("cd %s/elsewhere && exec %s export bids %s --bids d --sub 01"):format(folder,
      shell.quote(shell.absolute), name)
    assert.are.equal(0, (shell.sh(folder, bids)))
  end)

  it("is a folder that is there before it is a name in the place of all records", function()
    assert.are.equal(0, (shell.moonpulse(folder, "run ctbs600 --amt 50 --speed max")))
    local name = shell.names(folder .. "/.records")[1]
    shell.sh(folder, ("mkdir -p %s/elsewhere/%s"):format(folder, name))
    local status, _, err = shell.sh(folder, ("cd %s/elsewhere && exec %s verify %s"):format(folder,
      shell.quote(shell.absolute), name))
    assert.are.equal(2, status)
    assert.matches("no manifest.json", err, 1, true)
  end)

  it("is printed by moonpulse runs, of runs that lie elsewhere the path", function()
    assert.are.equal(0, (shell.moonpulse(folder, "run ctbs600 --amt 50 --speed max")))
    assert.are.equal(0, (shell.moonpulse(folder, "run ctbs600 --amt 50 --speed max")))
    local names, found = shell.names(folder .. "/.records"), {}
    for line in select(2, shell.moonpulse(folder, "runs")):gmatch "[^\n]+" do
      found[#found + 1] = line:match "%s(%S+)%s+completed$"
    end
    assert.are.same(names, found)
    local moved = folder .. "/study"
    shell.sh(folder, ("mkdir %s && mv %s/.records/%s %s"):format(moved, folder, names[2], moved))
    assert.matches((" %s/%s  completed\n"):format(moved, names[2]),
      select(2, shell.moonpulse(folder, "runs --out " .. moved)), 1, true)
  end)
end)
