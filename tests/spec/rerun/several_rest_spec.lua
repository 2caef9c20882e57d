--- The command that gives the rest of a protocol on several devices: each pulse and each catch trial once.
--- What a run gave is asked of its rows.
local arguments = require "moonpulse.rerun.arguments"
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"

local PLAN = [[
local mp = require "moonpulse"
return mp.protocol { id = "catchy", name = "Catchy", plan = function()
  local function both(n)
    return mp.together { left = mp.pulse(mp.mso(40)), right = mp.rest(mp.ms(8)) .. mp.pulse(mp.mso(50)) }
      :label("pair " .. n)
  end
  return mp.trials { of = { both(1), both(2), both(3), mp.mark "catch 1", mp.mark "catch 2", both(4),
    both(5), both(6) }, every = 0.4 }
end }
]]

describe("the rest of a run on several devices", function()
  local folder
  fixture.each_test(function(...)
    folder = ...
    shell.write(folder .. "/catchy.lua", PLAN)
  end)

  local function moonpulse(line)
    return shell.moonpulse(folder, line)
  end

  local common = " --device left=sim:magventure --device right=sim:magventure "

  local function listed_now()
    local status, out, err = moonpulse(("runs --json --out %s/first"):format(folder))
    assert.are.equal(0, status, err)
    return cjson.decode(out)
  end

  local function marks_of(path)
    local list = {}
    for _, row in ipairs((shell.rows(path .. "/events.tsv"))) do
      list[#list + 1] = row.event == "mark" and row.reply:match "^catch %d$" or nil
    end
    return list
  end

  it("gives no catch trial again that was given, and is offered no more once it was given", function()
    local status, _, err = moonpulse(("run %s/catchy.lua --seed 1 --participant N08 --speed max%s"
      .. "--fault right=drop@3 --tolerance 40 --out %s/first"):format(folder, common, folder))
    assert.are.equal(4, status, err)
    local first = fixture.run_in(folder .. "/first")
    local given = marks_of(first)
    assert.are.same({ "catch 1" }, given) -- the fault was seen between the two
    local command = listed_now().broken[1].command
    assert.matches(" --from-trial=4 --marks-given=1", command, 1, true)
    local _, _, said = moonpulse("resume " .. first)
    assert.matches(command, said, 1, true)
    status, _, err = shell.sh(folder, ("%s%s --out %s/first"):format(shell.quote(shell.absolute),
      command:match "^moonpulse(.*)", folder))
    assert.are.equal(0, status, err)
    local listed = listed_now()
    assert.are.same({ 2, {} }, { listed.count, listed.broken })
    local second = listed.runs[2].path
    assert.are.same({ "catch 2" }, marks_of(second))
    assert.are.equal(0, (moonpulse("verify " .. second)))
    status, _, err = moonpulse(("rerun %s --out %s/again"):format(second, folder))
    assert.are.equal(0, status, err)
    assert.are.equal(shell.read(second .. "/events.tsv"), shell.read(fixture.run_in(folder .. "/again")
      .. "/events.tsv"))
  end)

  it("is for the ports that the run had, also pseudo-terminals, and for simulators of its own", function()
    local had = { { place = "left", name = "magventure", simulated = true, port = "ttyUSB0" },
      { place = "right", name = "rapid", simulated = true, own_simulator = true } }
    local command = arguments.several_command({ files = { protocol = "/x.lua" }, manifest = { speed = 1,
      device = { devices = had } }, begin = { id = "x", options = {}, devices = had } }, 4)
    assert.matches("^moonpulse run /x.lua:x %-%-device=left=magventure@%S+ %-%-device=right=sim:rapid ",
      command)
  end)

  it("leaves out no more marks than there are, and none of nowhere", function()
    for more, words in pairs {
      ["--from-trial 4 --marks-given 3"] = "there are 2 marks of catch trials right before trial 4",
      ["--from-trial 5 --marks-given 1"] = "there are 0 marks of catch trials right before trial 5",
      ["--marks-given 1"] = "right before which trial? Give --from-trial N",
    } do
      for _, what in ipairs { "run", "check", "show" } do
        local status, _, err = moonpulse(("%s %s/catchy.lua %s%s"):format(what, folder, more,
          what == "show" and "" or common))
        assert.are.equal(2, status, what .. more)
        assert.matches(words, err, 1, true)
      end
    end
    local _, out = moonpulse(("show %s/catchy.lua --from-trial 4 --marks-given 1"):format(folder))
    assert.matches("catch 2", out, 1, true)
    assert.is_nil(out:find("catch 1", 1, true))
  end)
end)
