--- A run that starts while another one looks at what a participant had: it has no manifest yet, and is no
--- record of which nobody knows whose it is. The flight record's lock is what says that its program lives.
local cjson = require "cjson"
local core = require "moonpulse.core"
local history = require "moonpulse.safety.history"
local journals = require "moonpulse.record.journal"
local shell = require "shell"

local folder, run

before_each(function()
  folder = shell.folder()
  run = folder .. "/runs/2026-11-25T100000_x"
  os.execute("mkdir -p " .. shell.quote(run))
  shell.write(run .. "/events.tsv", "")
end)

after_each(function()
  shell.remove(folder)
end)

--- Its journal, with what was done.
local function told(...)
  local journal = assert(journals.new(run))
  journal:tell("begin", { participant = "P07", what = "protocol", id = "x", device = { simulated = false } })
  for _, kind in ipairs { ... } do
    journal:tell(kind, { pulses = 10 })
  end
  journal:close()
end

local function said_to(code)
  local found = history.of(folder .. "/runs", code)
  return #found.unreadable + #found.runs, table.concat(found.notes, "\n")
end

describe("a run that has no manifest yet", function()
  it("alarms nobody as long as its program lives; its own participant's next one is told", function()
    told()
    local flight = assert(core.flight(run .. "/flight.bin", 20))
    assert.are.same({ 0, "" }, { said_to "P08" })
    assert.are.same({ 0, run .. ": another run of p07 starts just now, and has given nothing yet" },
      { said_to "p07" })
    local _, out = shell.moonpulse(folder, ("runs --out %s/runs"):format(folder))
    assert.matches("2026%-11%-25T100000_x +starting now: nothing is armed yet", out)
    _, out = shell.moonpulse(folder, ("runs --json --out %s/runs"):format(folder))
    local listed = cjson.decode(out).runs[1]
    assert.are.same({ "starting", true, false }, { listed.status, listed.running, listed.torn })
    flight:close()
    for _, code in ipairs { "P07", "P08" } do -- killed
      assert.are.equal(1, (said_to(code)), code)
    end
  end)

  it("is one of several devices, too", function()
    told()
    os.execute("mkdir " .. shell.quote(run .. "/left"))
    local flight = assert(core.flight(run .. "/left/flight.bin", 20))
    assert.are.same({ 0, "" }, { said_to "P08" })
    flight:close()
    assert.are.equal(1, (said_to "P08"))
  end)

  it("is none where its manifest went once something was armed or played, though it goes on", function()
    told("arm", "play")
    local flight = assert(core.flight(run .. "/flight.bin", 20))
    for _, code in ipairs { "P07", "P08" } do
      assert.are.equal(1, (said_to(code)), code)
    end
    flight:close()
  end)

  it("is one whose flight record was made this instant, and no old one that is empty", function()
    told()
    shell.write(run .. "/flight.bin", "")
    assert.are.same({ 0, "" }, { said_to "P08" })
    os.execute("touch -d '1 minute ago' " .. shell.quote(run .. "/flight.bin"))
    assert.are.equal(1, (said_to "P08"))
  end)
end)
