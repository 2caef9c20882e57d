-- What is in a folder fits together: rows and plan are made again from what it keeps. What does not fit is
-- found with file and line, also where somebody sealed it anew.
local core = require "moonpulse.core"
local fixture = require "job"
local seals = require "moonpulse.record.seal"
local shell = require "shell"
local verify = require "moonpulse.verify"

describe("what a folder keeps", function()
  local folder, runs = nil, {}

  local commands = {
    drawn = "single.lua --rmt 50 --seed 12345678901234567 -p pulses=7 -p intensity=90%RMT",
    variant = "itbs600_30hz_5hz --amt 40 --rmt 50 --seed 3",
    device = "hf10_neurostar --rmt 40 --seed 4 --device sim:pulsepal --timing device --beyond-guidelines t "
      .. "--approval n",
    fault = "itbs600 --amt 50 --seed 5 --fault drop@7",
    skip = "itbs600 --amt 50 --seed 5 --late skip --tolerance 5 --speed 700",
    trigger = "itbs600 --amt 50 --seed 5 --trigger sim:byte=4,width=10",
    plan = "x.plan --amt 50",
  }

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/single.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "single", name = "Single",
        params = { pulses = { default = 5, min = 1, max = 99 }, intensity = { default = mp.rmt(110) },
          slow = { default = false }, pause = { default = 0.5, min = 0 } },
        plan = function(p)
          local rest = mp.rest { min = 4 + p.pause, max = p.slow and 9 or 7.5 }
          return (mp.pulse(p.intensity) .. rest):times(p.pulses)
        end }]])
    local program = shell.absolute
    assert.are.equal(0, (shell.sh(folder, ("cd %s && %s compile itbs600 -o x.plan"):format(folder, program))))
    for name, command in pairs(commands) do
      local _, out, err = shell.sh(folder, ("cd %s && %s run %s %s --out %s"):format(folder, program, command,
        command:find("--speed", 1, true) and "" or "--speed max", name))
      assert.are.equal(1, #shell.names(folder .. "/" .. name), out .. err)
      runs[name] = fixture.run_in(folder .. "/" .. name)
    end
  end)

  teardown(function() shell.remove(folder) end)

  it("tells how far it is through a long flight.bin", function()
    local out = folder .. "/real"
    local status, _, err = shell.moonpulse(folder, ("run %s/single.lua --rmt 50 -p pulses=1 -p "
      .. "intensity=90%%RMT --tolerance 5000 --out %s"):format(folder, out))
    assert.are.equal(0, status, err)
    local run, told = fixture.run_in(out), {}
    local function progress(what, done, total, of)
      assert.is_true(done <= total)
      told[what] = { done, total, of }
    end
    assert(verify.folder(run, {}, progress))
    assert.is_nil(told["reading flight.bin"]) -- it is short
    assert(os.remove(run .. "/flight.bin"))
    local flight <close> = assert(core.flight(run .. "/flight.bin", 2000))
    flight:start(1000)
    flight:play(1, 2000)
    for i = 1, 700 do
      flight:confirm(1, 2000 + i)
    end
    flight:close()
    assert(verify.folder(run, {}, progress))
    assert.are.same({ { 512, 702, "records" }, { 512, 702, "records" } }, { told["reading flight.bin"],
      told["comparing events.tsv with flight.bin"] })
  end)

  it("makes rows and plan again: of drawn rests, variants, other devices, faults, plan files", function()
    for name, run in pairs(runs) do
      local found = assert(verify.folder(run, {}))
      assert.are.same({}, found.differs, name)
      assert.are.same({}, found.unchecked, name)
      local checked = table.concat(found.checked, "\n")
      assert.matches("resolved.plan is what the kept text, parameters and seed make", checked, 1, true)
      assert.matches("events.tsv and twin.tsv are what the plan gives when it is played again", checked, 1,
        true)
    end
  end)

  it("compares the rows of a driver in a file, but for the words that only it has", function()
    local program = shell.absolute
    local status, _, err = shell.sh(folder, ("cd %s && %s new driver mybox && %s run single.lua --rmt 50 -p "
      .. "pulses=1 -p intensity=60%%RMT --tolerance 5000 --device sim:./mybox.lua --out own"):format(folder,
      program, program))
    assert.are.equal(0, status, err)
    runs.own = fixture.run_in(folder .. "/own")
    local found = assert(verify.folder(runs.own, {}))
    assert.are.same({}, found.differs)
    assert.matches("but for the words of the device's replies", table.concat(found.checked, "\n"), 1, true)
    local function said(change)
      local path = runs.own .. "/events.tsv"
      local text = shell.read(path)
      local changed = text:gsub(table.unpack(change))
      assert.are_not.equal(text, changed)
      shell.write(path, changed)
      local differs = assert(verify.folder(runs.own, {})).differs
      shell.write(path, text)
      return #differs, differs[#differs].text
    end
    local count = said { "fired at", "Fired at" }
    assert.are.equal(1, count) -- its hash; the rows are the same
    local more, text = said { "\t30\t60\t", "\t31\t60\t" }
    assert.are.equal(2, more)
    assert.matches("intensity_mso is 31, and flight.bin says 30", text, 1, true)
  end)

  -- by what a difference says: the sentence of what was checked that it belies
  local claims = {
    ["the kept text, parameters and seed make"] = "resolved.plan is what",
    ["played again it is"] = "are what the plan gives when it is played again",
    ["flight.bin says"] = "events.tsv is what flight.bin says",
  }

  --- What verify says of a copy that was changed and sealed anew.
  local function after(name, file, change)
    local copy = folder .. "/copy"
    shell.remove(copy)
    shell.copy(runs[name], copy)
    local path = copy .. "/" .. file
    local text = shell.read(path)
    local changed = change(text)
    assert.are_not.equal(text, changed)
    shell.write(path, changed)
    assert(seals.write(copy))
    local said, found = {}, assert(verify.folder(copy, {}))
    local checked = table.concat(found.checked, "\n")
    for i, each in ipairs(found.differs) do
      said[i] = ("%s:%d: %s"):format(each.file, each.line or 0, each.text)
      for words, claim in pairs(claims) do -- what differs is never also called the same
        assert.is_falsy(each.text:find(words, 1, true) and checked:find(claim, 1, true), said[i])
      end
    end
    return table.concat(said, "\n") .. "\n"
  end

  local function swapped(pattern, by, count)
    return function(text) return (text:gsub(pattern, by, count)) end
  end

  it("does not fit together once a part of it is changed, whoever sealed it anew", function()
    local slower = swapped("4 %+ p.pause", "4.1 + p.pause")
    for _, case in ipairs {
      { "drawn", "events.tsv", swapped("^(" .. ("[^\n]*\n"):rep(3) .. ").*$", "%1"),
        "events.tsv:4: it is missing, and played again it is \"" },
      { "drawn", "events.tsv", swapped("\t45\t90\t", "\t51\t90\t", 1),
        "events.tsv:2: intensity_mso is 51, and played again it is 45\n" },
      { "variant", "twin.tsv", swapped("\tpulse\t", "\tpulsE\t", 1),
        "twin.tsv:%d+: event is pulsE, and played again it is pulse\n" },
      { "drawn", "resolved.plan", swapped("pulse 90 RMT", "pulse 91 RMT"),
        "resolved.plan:%d+: it is \".*pulse 91.*, and the kept text, parameters and seed make \".*90 RMT" },
      { "drawn", "sources/single.lua", slower,
        "resolved.plan:%d+: it is \".*rest 9/2 15/2.*make \".*rest 23/5" },
      { "drawn", "sources/single.lua", slower,
        "events.tsv:%d+: onset is [%d.]+, and played again it is [%d.]+;" },
      { "drawn", "manifest.json", swapped('("pulses"%s*:%s*)7,', "%16,"), "resolved.plan:%d+: " },
      { "drawn", "manifest.json", swapped('("seed"%s*:%s*)%d+', "%19", 1),
        "resolved.plan:%d+: it is \"seed 12345" },
      { "device", "events.tsv", swapped("\tsent\t", "\tdelivered\t", 1),
        "events.tsv:%d+: it is not the one whose SHA%-256 line %d+ of journal.jsonl has" },
    } do
      assert.matches(case[4], after(case[1], case[2], case[3]))
    end
  end)
end)
