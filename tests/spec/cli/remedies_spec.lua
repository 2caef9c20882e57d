-- What is said to somebody whose numbers, names or files do not fit: the right number, and what to do.
local cjson = require "cjson"
local lfs = require "lfs"
local shell = require "shell"

local folder

local function write(name, code)
  shell.write(folder .. "/" .. name, 'local mp = require "moonpulse"\n' .. code)
end

--- moonpulse, from within a folder.
local function moonpulse(arguments, inside)
  local program = shell.absolute
  return shell.sh(folder, ("cd %s && %s %s"):format(shell.quote(inside or folder), shell.quote(program),
    arguments))
end

local function has(text, words)
  assert.is_truthy(text:find(words, 1, true), words .. "\nis not in\n" .. text)
end

describe("what passes", function()
  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/lab.lua", 'return { name = "A", max_percent_rmt = 120, max_percent_mso = 85 }')
  end)
  teardown(function() shell.remove(folder) end)

  local function lab_finding(arguments)
    local _, out = moonpulse(("check %s --lab lab.lua --json"):format(arguments))
    for _, finding in ipairs(cjson.decode(out).findings) do
      if finding.layer == "lab" and finding.unit == "%RMT" then
        return finding
      end
    end
  end

  it("by the lab's limit is given in %MSO, and without a threshold no number is made up", function()
    write("rmt.lua", "return mp.pulse(mp.rmt(120)):times(5, { every = 6 })")
    write("amt.lua", "return mp.pulse(mp.amt(80)):times(5, { every = 6 })")
    local finding = lab_finding "rmt.lua --rmt 43"
    assert.are.equal("at most 119 %RMT (51 %MSO)", finding.nearest)
    has(finding.text, "set to 52 %MSO (the device's step); passes: at most 119 %RMT (51 %MSO)")
    local status = moonpulse "check rmt.lua --rmt 42.5 --lab lab.lua" -- 51 %MSO
    assert.are.equal(0, status)

    finding = lab_finding "amt.lua --amt 52"
    assert.are.equal("OVER", finding.verdict)
    assert.are.equal(cjson.null, finding.value)
    has(finding.text, "80 %AMT cannot be compared with 120 %RMT of the lab's limits (A): no threshold is")
    has(finding.text, "no threshold is known; amt.lua:") -- where it is written
    has(finding.text, "passes: give the threshold (--rmt N)")
    assert.is_nil(finding.text:find(" 0 %RMT", 1, true))
    assert.are.equal("within", lab_finding("amt.lua --amt 52 --rmt 60").verdict)
  end)
end)

describe("thresholds that were exchanged", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("are asked about, by whatever command takes them", function()
    for _, line in ipairs { "check itbs600", "events itbs600",
      "run itbs600 --device sim --speed max --out runs" } do
      local _, _, err = moonpulse(line .. " --amt 60 --rmt 45")
      has(err, "--amt 60 is above --rmt 45: an active motor threshold is below the resting one; were they "
        .. "exchanged (--amt 45 --rmt 60)?")
      for _, right in ipairs { " --amt 45 --rmt 60", " --amt 45 --rmt 45", " --amt 45" } do
        _, _, err = moonpulse(line .. right)
        assert.is_nil(err:find("exchanged", 1, true), line .. right)
      end
    end
  end)
end)

describe("a variant in a file of one's own", function()
  setup(function()
    folder = shell.folder()
    write("family.lua", [[return mp.protocol { name = "family", id = "fam",
      params = { n = { default = 3 }, i = { default = mp.rmt(100) } },
      variants = { { id = "fam5", name = "five", defaults = { n = 5, i = mp.rmt(110) } } },
      plan = function(p) return mp.pulse(p.i):times(p.n, { every = 6 }) end }]])
  end)
  teardown(function() shell.remove(folder) end)

  it("is listed by show, and reached by every command as FILE:ID", function()
    local status, out = moonpulse "show family.lua"
    assert.are.equal(0, status)
    has(out, "variants      five  (family.lua:fam5)")
    status, out = moonpulse "show family.lua:fam5"
    assert.are.equal(0, status)
    has(out, "five  [fam5]")
    has(out, "pulses                      5\n")
    assert.are.equal(0, (moonpulse "check ./family.lua:fam5 --rmt 40"))
    status, out = moonpulse("run " .. folder .. "/family.lua:fam5 --rmt 40 --speed max --out runs")
    assert.are.equal(0, status)
    has(out, "5 of 5 pulses")
    status, out = moonpulse "show family.lua:fam"
    assert.are.equal(0, status)
    has(out, "pulses                      3\n")
  end)

  it("is named where there is no such one", function()
    local status, _, err = moonpulse "show family.lua:fam18"
    assert.are.equal(2, status)
    has(err, 'family.lua has no protocol "fam18"; it has fam, fam5')
  end)
end)

describe("a sham of a file", function()
  setup(function()
    folder = shell.folder()
    lfs.mkdir(folder .. "/here")
    lfs.mkdir(folder .. "/there")
    for name, count in pairs { ["here/act.lua"] = 3, ["there/act.lua"] = 4, ["there/only.lua"] = 5 } do
      write(name, ("return mp.pulse(mp.rmt(90)):times(%d, { every = 6 })"):format(count))
    end
    for name, of in pairs { sham = "act.lua", other = "only.lua", none = "nope.lua" } do
      write("here/" .. name .. ".lua", ([[return mp.protocol { name = "s", plan = function()
        return mp.sham { of = "%s", with = "", intensity = mp.mso(12) } end }]]):format(of))
    end
  end)
  teardown(function() shell.remove(folder) end)

  local function pulses(arguments, inside)
    local _, out, err = moonpulse("show " .. arguments, inside)
    return tonumber(out:match "pulses +(%d+)") or err
  end

  it("is looked for beside the protocol's file first, then in the current folder", function()
    local there = folder .. "/there"
    assert.are.equal(3, pulses("../here/sham.lua", there))
    assert.are.equal(3, pulses("sham.lua", folder .. "/here"))
    assert.are.equal(5, pulses("../here/other.lua", there))
    assert.are.equal(4, pulses("sham -p of=act.lua", there)) -- the shipped one is beside nobody's file
  end)

  it("whose order is drawn is refused where the seed is not known, and taken where nothing is", function()
    local line = 'return mp.sham { of = "%s", with = "", intensity = mp.mso(12) }'
    write("here/drawn.lua", line:format "io_curve")
    local status, _, err = moonpulse("show drawn.lua", folder .. "/here")
    assert.are.equal(2, status)
    has(err, "drawn.lua:2: sham: the order of io_curve is drawn from the run's seed, which is known only "
      .. "while the plan is made: call mp.sham inside plan = function(p)")
    write("here/plain.lua", line:format "itbs600")
    assert.are.equal(600, pulses("plain.lua", folder .. "/here"))
  end)

  it("that is nowhere is refused with both folders", function()
    local err = pulses("../here/none.lua", folder .. "/there")
    has(err, "there is no file nope.lua, neither beside the protocol's file (in ../here) nor in the current "
      .. "folder (")
    has(err, "/there)")
  end)
end)

describe("the message for a mistake in a protocol", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function message_of(expression)
    write("made.lua", 'return mp.protocol { name = "x", plan = function() return ' .. expression .. " end }")
    local status, _, err = moonpulse "show made.lua"
    assert.are.equal(2, status, err)
    has(err, "made.lua:2: ")
    return err
  end

  for expression, words in pairs {
    ["mp.pair { mp.ms(3), { mp.rmt(80), mp.rmt(120) } }"] = "write pair { intensity = ... }",
    ["mp.trials { mp.pulse(mp.mso(50)), mp.pulse(mp.mso(50)) }"] = "write trials { of = ... }",
    ["mp.train { duration = 1.05, hz = 10, intensity = mp.mso(40) }"] = "use 1 s (10) or 1.1 s (11), or give",
    ["mp.train { duration = 0.05, hz = 10, intensity = mp.mso(40) }"] = "not whole: use 0.1 s (1), or give",
    ["mp.theta_burst { pulses = 3, hz = 50, theta_hz = 5, on = 1.5, intensity = mp.mso(40) }"] =
      "on = 1.5 s holds 7.5 periods, which is not whole: use 1.4 s (7) or 1.6 s (8)",
    ["mp.theta_burst { pulses = 11, hz = 50, theta_hz = 5, on = 2, intensity = mp.mso(40) }"] =
      "does not fit every 0.2 s (theta_hz = 5): use at most 10 pulses, a higher hz",
    ["mp.pulse(mp.mso(40)):times({ 20, every = 10 })"] = "not a table { ... }",
    ["mp.pulse(mp.mso(40)):times(mp.rmt(100))"] = "not an intensity, mp.rmt(100)",
    ["mp.shuffle(mp.pulse(mp.mso(40)), mp.pulse(mp.mso(40)))"] = "mp.shuffle(a plan, a plan)",
    ['mp.mark "block\\t1"'] = "without tabs or line ends or other control characters: write it with spaces",
    ['mp.mso("50")'] = "write the number without quotes, mp.mso(50); of a text that was read or answered, "
      .. "mp.mso(tonumber(text))",
    ['mp.trials { of = {}, every = 5 }'] = "trials: of is empty: it is a list of plans, like of = { a, b }",
    ['mp.mark(("x"):rep(64))'] = "1 to 63 bytes of text, not 64",
  } do
    it("says what to write: " .. expression, function()
      local err = message_of(expression)
      has(err, words)
      assert.is_nil(err:find("userdata", 1, true) or err:find("0x", 1, true), err)
    end)
  end

  it("takes a theta burst whose bursts fill their period", function()
    write("made.lua", "return mp.theta_burst { pulses = 10, hz = 50, theta_hz = 5, on = 2, "
      .. "intensity = mp.mso(40) }")
    assert.are.equal(0, (moonpulse "show made.lua"))
  end)

  it("says how a plan becomes a function, where plan = is a plan", function()
    write("made.lua", 'return mp.protocol { name = "x", plan = mp.pulse(mp.mso(50)) }')
    local _, _, err = moonpulse "show made.lua"
    has(err, "write plan = function(p) return ... end around the plan")
    assert.is_nil(err:find("userdata", 1, true))
  end)
end)

describe("why a device cannot", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function refusal(device, expression)
    write("made.lua", "return " .. expression)
    local _, out = moonpulse("check made.lua --rmt 50 --json --device " .. device)
    return cjson.decode(out).device.message
  end

  it("comes with the real reason first", function()
    for isi, nearest in pairs { ["2.55"] = "2.5 and 2.6 ms", ["100.5"] = "100 and 101 ms" } do
      local text = refusal("bistim", ("mp.pair { isi = mp.ms(%s), intensity = { mp.rmt(80), mp.rmt(120) } }")
        :format(isi))
      has(text, ("%s ms apart (made.lua:2): its own timing: an interval of %s ms is off"):format(isi, isi))
      local first = text:find("the nearest are " .. nearest .. "; pulse by pulse: too", 1, true)
      assert.is_truthy(first, text)
      assert.is_true(first < text:find("too short", 1, true), text)
    end
  end)

  it("names the stimulator for a pair of two intensities, on every device that cannot give it", function()
    local bistim = "; a pair of two intensities takes a stimulator that gives it: --device bistim, or to try "
      .. "it --device sim:bistim"
    local pair = "mp.pair { isi = mp.ms(%s), intensity = { mp.rmt(80), mp.rmt(120) } }"
      .. ":times(2, { every = 7 })"
    for _, device in ipairs { "magventure", "rapid", "magstim200", "duomag", "pulsepal --device-option "
      .. "full_scale_volts=10" } do
      has(refusal(device, pair:format "2"), bistim)
    end
    has(refusal("magventure", pair:format "2"), "(made.lua:2): its own timing: pairs of two intensities "
      .. "(mode Dual) need a MagPro with the Option")
    -- and what they name gives it
    for _, device in ipairs { "bistim", "magventure --device-option model=X100+Option" } do
      local status = moonpulse("check made.lua --rmt 50 --device " .. device)
      assert.are.equal(0, status, device)
    end
    for device, expression in pairs { bistim = pair:format "2.55", -- it gives pairs, but not this one
      magventure = "mp.pulse(mp.mso(40)) .. mp.rest(0.05) .. mp.pulse(mp.mso(50)) .. mp.rest(0.05) .. "
        .. "mp.pulse(mp.mso(60))", -- a ramp is no pair
      duomag = "mp.pulse(mp.mso(40)):times(2, { every = 0.01 })" } do -- nor are two of one intensity
      local text = refusal(device, expression)
      assert.is_string(text)
      assert.is_nil(text:find("--device bistim", 1, true), text)
    end
  end)

  it("says nothing of theta bursts where single pulses seconds apart are meant", function()
    local text = refusal("rapid", "mp.pulse(mp.mso(80)) .. mp.rest(4) .. mp.pulse(mp.mso(20))")
    has(text, "too short to change its settings")
    assert.is_nil(text:find("theta burst", 1, true), text)
  end)

  it("gives the rule of bursts for bursts", function()
    local text = refusal("magventure",
      "mp.train { of = mp.burst { pulses = 3, hz = 200, intensity = mp.rmt(80) }, hz = 25, count = 10 }")
    has(text, "is 50 ms (X100: at most 20 bursts a second")
    assert.is_nil(text:find("100 Hz", 1, true), text)
  end)
end)

describe("the command line", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("says what to write", function()
    for line, words in pairs {
      ["run itbs600 --amt 50 --speed fast"] = "no number from 0.01 to 1000, or max",
      ["run itbs600 --amt 50 --device sim:magventure --port /dev/x"] =
        "--port /dev/x is for a real stimulator, and --device sim:magventure is simulated: leave out --port, "
        .. "or write --device magventure",
      ["run itbs600 --amt 50 --port /dev/x"] = "--port /dev/x needs --device",
      ["plot itbs600 -o /nonexistent/x.svg"] = "cannot write the picture: /nonexistent/x.svg",
      ["run itbs600 -amt 40"] = "write --amt",
      ["check itbs600 -rmt 40"] = "write --rmt",
      ["events itbs600 --amt 40 --trigger sim"] =
        "there is no option --trigger: it is one of moonpulse run, repl, check, rerun, resume, sim (see "
          .. "moonpulse events --help)",
    } do
      local status, _, err = moonpulse(line)
      assert.are.equal(2, status, line .. "\n" .. err)
      has(err, words)
    end
    if os.execute("command -v rsvg-convert >/dev/null") then
      local status, _, err = moonpulse "plot itbs600 -o /nonexistent/x.png"
      assert.are.equal(2, status)
      has(err, "cannot write the picture: /nonexistent/x.png")
      assert.are.equal(0, (moonpulse "plot itbs600 -o x.png"))
    end
  end)
end)

describe("trials that are too close at fixed intervals", function()
  it("are refused with how much more is needed, which is enough", function()
    folder = shell.folder()
    write("fixed.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "fixed", params = { every = { default = 5.0 } }, plan = function(p)
        return mp.trials { of = { mp.pulse(mp.rmt(120)), mp.pair { isi = 0.002, intensity = { mp.rmt(110),
          mp.rmt(120) } }, mp.pulse(mp.rmt(120)) }, every = p.every } end }]])
    for command, options in pairs {
      ["check sici --rmt 50 -p cs=55%MSO -p singles=20 --device bistim"] =
        { 5, "-p shortest=%s -p longest=%s" },
      ["check fixed.lua --rmt 50 --device bistim"] = { 5, "-p every=%s" } } do
      local at = options[1]
      for round = 1, 5 do -- another two trials may be the next that are too close
        local status, out, err = moonpulse(command .. " " .. options[2]:gsub("%%s", ("%.3f"):format(at)))
        local more = (out .. err):match "; here ([%d.]+) s more are needed: raise every %(mp.trials, :times%)"
        if not more then
          assert.are.equal(0, status, out .. err)
          assert.is_true(round > 1 and at < 8, command)
          break
        end
        assert.are.equal(3, status)
        at = at + tonumber(more)
      end
    end
    shell.remove(folder)
  end)
end)
