-- What a newcomer writes who knows other programs: the message has the place, what is wrong, what to write.
local author = require "author"
local shell = require "shell"

describe("a newcomer", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local head = 'local mp = require "moonpulse"\nlocal a = mp.pulse(mp.rmt(100))\n'

  local function moonpulse(arguments, code)
    return author.moonpulse(folder, arguments, head .. code)
  end

  local function refuses(arguments, code, ...)
    author.refuses(folder, arguments, head .. code, ...)
  end

  it("who puts plans together with an operator that they do not have", function()
    for _, code in ipairs { "a + a", "a - a", "a / 2", "a // 2", "a % 2", "a ^ 2", "-a", "a & a", "a | a",
      "2 + a", "a(3)" } do
      refuses("show made.lua", "return " .. code, "made.lua:3: plans are put together with .. and *: a .. b",
        "a * 3", "mp.together")
    end
    refuses("show made.lua", 'return a .. "start"', 'made.lua:3: plan expected', 'mp.mark "text"')
    refuses("show made.lua", "return a .. b", "made.lua:3: b is not known: is it misspelt")
    refuses("show made.lua", "local b return a .. b", "made.lua:3: plan expected",
      "got nil: is the name written as")
  end)

  it("who calls a method that plans do not have, or with a dot", function()
    refuses("show made.lua", "return a:loop(3)", "made.lua:3: a plan has no loop: it has :times(n")
    local colon = "made.lua:3: plan.%s: write plan:%s(...), with a colon"
    for code, name in pairs { ["a.times(3)"] = "times", ["a.times(3, { every = 5 })"] = "times",
      ["a.at('left')"] = "at" } do
      refuses("show made.lua", "return " .. code, colon:format(name, name))
    end
  end)

  it("whose file a word processor, or a web page, had a hand in", function()
    for char, words in pairs {
      ["\u{201C}"] = 'write a straight quotation mark: "', ["\u{201D}"] = "a straight quotation mark",
      ["\u{2018}"] = "a straight apostrophe", ["\u{AB}"] = "a straight quotation mark",
      ["\u{2013}"] = "a minus sign: -", ["\u{2212}"] = "a minus sign: -", ["\u{D7}"] = "a star: *",
      ["\u{A0}"] = "a special space (U+00A0)", ["\u{2003}"] = "write an ordinary space",
      ["\u{FF0C}"] = "half width: ,",
    } do
      refuses("show made.lua", 'local b = "it\u{2019}s"\nreturn a ' .. char .. " 3",
        ("made.lua:4: %s"):format((words:find("space", 1, true) and "a special space" or char)), words)
    end
    local status, _, err = moonpulse("show made.lua", 'return mp.mark "\u{201C}on\u{201D}" .. a -- \u{2013}')
    assert.are.equal(0, status, err)
    refuses("show made.lua", "return a $ 3", "made.lua:3: ") -- what looks like nothing stays Lua's own words
    shell.write(folder .. "/lab.lua", "return {\n  name = \u{201C}Lab A\u{201D} }")
    refuses("check made.lua --rmt 50 --lab lab.lua", "return a", "lab.lua:2: \u{201C} (U+201C)", "straight")
  end)

  it("who gives one plan for a list of them", function()
    refuses("show made.lua", "return mp.trials { of = a, every = 5 }", "made.lua:3: trials: of must be a "
      .. "list of plans: write of = { plan } for one, of = { a, b } for several")
  end)

  it("whose parameter has one bound reads that one, with its unit", function()
    local code = [[return mp.protocol { name = "x", params = { isi = { default = 2.0, min = 1.5 },
      most = { default = 3, max = 9 }, both = { default = 3, min = 1, max = 9 },
      dose = { default = mp.rmt(80), min = 50 } }, plan = function() return a end }]]
    for text, words in pairs {
      ["isi=1.25"] = "isi = 1.25 is too small: it must be at least 1.5\n",
      ["most=10"] = "most = 10 is too large: it must be at most 9\n",
      ["both=10"] = "both = 10 is outside 1 to 9\n",
      ["dose=40%RMT"] = "dose = 40 %RMT is too small: it must be at least 50 %RMT\n",
    } do
      refuses("show made.lua -p " .. text, code, words)
    end
    for _, text in ipairs { "isi=1.5", "most=9", "both=9", "dose=50%RMT" } do
      assert.are.equal(0, (moonpulse("show made.lua -p " .. text, code)), text)
    end
  end)

  it("who gives parameters to what has none", function()
    refuses("show made.lua -p n=3", "return a", '-p "n": made has no parameters: leave -p out')
    assert.are.equal(0, (moonpulse("compile made.lua -o made.plan", "return a")))
    for _, command in ipairs { "show", "run --speed max --rmt 50", "check --rmt 50" } do
      refuses(command .. " made.plan -p n=3", "return a", '-p "n": made.plan is a plan file',
        "compile its protocol again, with -p n=3")
    end
  end)

  it("whose intensity cannot be given reads the line that asks for it", function()
    local code = "local b = mp.pulse(mp.rmt(150))\nreturn a .. mp.rest(5) .. b"
    for _, command in ipairs { "events made.lua", "run made.lua --speed max",
      "run made.lua --speed max --timing auto --device sim:stimjim",
      "run made.lua --speed max --timing device --device sim:pulsepal" } do
      refuses(command .. " --rmt 70", code, "150 %RMT of a threshold of 70 %MSO is 105 %MSO", "(made.lua:3)")
    end
    local _, out = moonpulse("check made.lua --rmt 70", "return a .. mp.rest(5) .. mp.pulse(mp.rmt(150))")
    assert.matches("over 100: at most 142.8 %RMT can be given (made.lua:3)", out, 1, true)
    refuses("run made.lua --rmt 50 --speed max", "return a .. mp.rest(5) ..\n  mp.pulse(mp.rmt(0.5))",
      "takes as 0", "(made.lua:4)")
    refuses("run made.lua --rmt 100 --speed max", "return mp.experiment(function(run)\n"
      .. "local stim = run:device()\nstim:arm()\nlocal b = mp.pulse(mp.rmt(120))\nstim:fire(b)\nend)",
      "made.lua:7: 120 %RMT", "(made.lua:6)")
  end)

  it("who writes milliseconds where seconds are meant, in every time", function()
    local burst = "pulses = 3, hz = 50, theta_hz = 5, intensity = mp.rmt(80)"
    local long_on, long_off = "theta_burst: on = 2000 is 2000 s", "theta_burst: off = 8000 is 8000 s"
    for code, words in pairs {
      ["mp.theta_burst { on = 2000, " .. burst .. " }"] = long_on,
      ["mp.theta_burst { on = 2000, off = 8, cycles = 2, " .. burst .. " }"] = long_on,
      ["mp.theta_burst { on = 2, off = 8000, cycles = 2, " .. burst .. " }"] = long_off,
      ["mp.train { of = a, count = 2, every = 5000 }"] = "train: every = 5000 is 5000 s",
      ["mp.train { hz = 1, duration = 4000, intensity = mp.rmt(80) }"] = "train: duration = 4000 is 4000 s",
    } do
      local status, _, err = moonpulse("show made.lua", "return " .. code)
      assert.are.equal(0, status, err)
      assert.matches("note: made.lua:3: " .. words, err, 1, true)
      assert.are.equal(1, select(2, err:gsub("seconds are meant", "")), err)
    end
    local _, _, err = moonpulse("show made.lua", "return mp.theta_burst { on = 40, " .. burst .. " }")
    assert.are.equal("", err)
  end)

  it("whose channels= names a channel that the plan does not have", function()
    local code = 'return mp.together { left = a, right = mp.rest(1) .. a }'
    for _, device in ipairs { "sim:pulsepal", "sim:stimjim" } do
      refuses(("run made.lua --rmt 50 --speed max --device %s --device-option channels=left=1,rigth=%d")
        :format(device, device:find("pal") and 2 or 0), code, 'which is channel "right"?',
        'The plan has no channel "rigth", which channels= names. Say --device-option channels=')
    end
    refuses("run made.lua --rmt 50 --speed max --device sim:pulsepal --device-option channels=left=1", code,
      'which is channel "right"? Say --device-option channels=left=1,right=2')
  end)
end)
