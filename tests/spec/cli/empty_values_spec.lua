-- A shell makes an empty value of a variable that is not set. No option and no argument of any command takes
-- it: as a path it would be the folder that one is in, as a code nobody's.
local cjson = require "cjson"
local cli = require "moonpulse.cli"
local fixture = require "job"
local lfs = require "lfs"
local shell = require "shell"

--- The commands by their names, each with its parser.
local function parsers()
  local list = {}
  for _, file in ipairs(shell.names "scripts/moonpulse/commands") do
    local name = file:match("^([%l_]+)%.lua$")
    local command = name and require("moonpulse.commands." .. name)
    if type(command) == "table" and command.parser then
      list[name:gsub("_", "-")] = command.parser()
    end
  end
  return list
end

describe("an empty value", function()
  local folder

  fixture.each_test(function(...) folder = ... end)

  --- It is refused before anything is done, and the remedy is said.
  local function refused(name, words, what)
    local place = folder .. "/place"
    assert(lfs.mkdir(place))
    local status, _, err = shell.sh(folder, ("cd %s && %s %s %s"):format(place, shell.absolute, name, words))
    local said = ("%s %s: status %d: %s"):format(name, words, status, err)
    assert.are.equal(2, status, said)
    assert.is_truthy(err:find(("the value of %s is empty"):format(what), 1, true), said)
    assert.is_truthy(err:find("is a variable of the shell not set? Give one", 1, true), said)
    assert.are.same({}, shell.names(place), said)
    assert(lfs.rmdir(place))
  end

  it("is refused by every option of every command", function()
    local some, commands = 0, 0
    for name, parser in pairs(parsers()) do
      local tried
      for _, option in ipairs(parser._options) do
        if option._maxargs > 0 and not option._choices then
          for _, alias in ipairs(some % 8 == 0 and option._aliases or { option._aliases[1] }) do
            refused(name, alias .. ' ""', option._name)
          end
          some, tried = some + 1, true
        end
      end
      commands = commands + (tried and 1 or 0)
    end
    assert.is_true(some > 100 and commands > 20, ("%d options of %d commands"):format(some, commands))
  end)

  it("is refused by what comes first, however empty it looks", function()
    for _, case in ipairs { { "run", "FILE|ID" }, { "show", "FILE|ID" }, { "verify", "RUN" },
      { "recover", "RUN" }, { "check-bids", "DIR" }, { "diff", "A" } } do
      for _, empty in ipairs { '""', '" "', '"$not_set_anywhere"' } do
        refused(case[1], empty, case[2])
      end
    end
    refused("run", "itbs600 --amt 50 --speed max --out=", "--out")
  end)

  it("is told to programs, too", function()
    local _, out = shell.moonpulse(folder, 'check itbs600 --rmt "" --json')
    assert.matches("the value of --rmt is empty", cjson.decode(out).message, 1, true)
    assert.are.equal(cli.status.usage, cjson.decode(out).status)
  end)

  it("of $MOONPULSE_RUNS means the default", function()
    assert(lfs.mkdir(folder .. "/home"))
    local status, _, err = shell.sh(folder, ("cd %s && env -u XDG_DATA_HOME HOME=%s/home MOONPULSE_RUNS= %s "
      .. "run sici --rmt 40 --device sim:bistim --speed max"):format(folder, folder, shell.absolute))
    assert.are.equal(0, status, err)
    assert.are.equal(1, #shell.names(folder .. "/home/.local/share/moonpulse/runs"))
  end)
end)
