-- Small files with huge work: every command answers, refuses with a number and a remedy, or shows how far it
-- is and ends at once with Ctrl-C; in bounded memory.
local plan_file = require "moonpulse.protocol.plan_file"
local shell = require "shell"

local MEMORY_KB, PATIENCE_S = 1 << 20, 60 -- of a loaded machine; most end within 0.1 s
local sanitized = shell.program:find("sanitize", 1, true) -- whose shadow memory is no memory
local WORK = 500000000 -- instructions of Lua, some seconds' worth; the largest case takes a fifth of it
local CHANNELS = sanitized and 2000 or 20000 -- which is too much for a slow build's time in the sandbox

local commands = { "show", "events", "check --rmt 50", "plot", "compile -o -", "protocols",
  "run --rmt 50 --speed max" }

-- the plan function's body, and what the refusal says
local refused = {
  ["parts side by side, doubled"] = {
    "local x = P for _ = 1, 26 do x = mp.together { a = x, b = x } end return x",
    "8190 plans side by side, together inside together, at most 4096" },
  ["parts side by side, beyond 32 bits"] = {
    "local x = P for _ = 1, 40 do x = mp.together { a = x, b = x, c = x } end return x",
    "9840 plans side by side" },
  ["parts side by side, nested deep"] = {
    "local x = P for _ = 1, 490 do x = mp.together { x * 1 } end\n"
      .. "local t = {} for i = 1, 64 do t['c' .. i] = x end\n"
      .. "x = mp.together(t) for name in pairs(t) do t[name] = x end return mp.together(t)",
    "plans side by side" },
  ["nested drawn rests"] = {
    "local x = mp.rest { min = 0, max = 0.001 } for _ = 1, 30 do x = x * 2 end return P .. x .. P",
    "16384 rests in a row, without a pulse or a mark between them, at most 10000: write them as one rest" },
  ["sequences of drawn rests"] = {
    "local x = mp.rest { min = 0, max = 1e-6 } for _ = 1, 50 do x = (x .. x) * 1 end return P .. x .. P",
    "16384 rests in a row" },
  ["nested fixed rests"] = { "local x = mp.rest(0) for _ = 1, 50 do x = x * 2 end return P .. x .. P",
    "16384 rests in a row" },
  ["deep nesting"] = { "local x = P for _ = 1, 100000 do x = x * 1 end return x", "deeper than 1000 levels" },
  ["an interval of 1e-12 s"] = { "return mp.pair { isi = 1e-12, intensity = mp.mso(40) }", "above 0" },
  ["a denormal interval"] = { "return mp.pair { isi = 5e-324, intensity = mp.mso(40) }", "above 0" },
  ["a time that is no number"] = { "return P .. mp.rest(0/0)", "finite number" },
  ["an infinite time"] = { "return P .. mp.rest(math.huge)", "finite number" },
  ["a time beyond 64 bits"] = { "return P .. mp.rest(1e300)", "292 years" },
  ["a mark of a megabyte"] = { "return P .. mp.mark(('x'):rep(1000000))", "1 to 63 bytes" },
  ["a channel of a megabyte"] = { "return P:at(('x'):rep(1000000))", "1 to 63 bytes" },
}

-- what answers: each command with its exit status where that is not 0
local answered = {
  ["sequences shared by sequences"] = { "local x = P .. mp.rest(1)\nfor _ = 1, 2 do local y = x "
    .. "for _ = 1, 70 do y = y .. x * 1 end x = y * 1 end return x * 3", {} },
  ["a plan that is too fast at its end, of shared parts"] = { "local x = P .. mp.rest(1)\n"
    .. "for _ = 1, 5 do local y = x for _ = 1, 10 do y = y .. x * 1 end x = y * 1 end return P .. P .. x",
    { ["check --rmt 50"] = 3, ["run --rmt 50 --speed max"] = 3 } },
  ["parts side by side, all shown"] = {
    "local x = P for _ = 1, 11 do x = mp.together { a = x, b = x } end return x",
    { ["check --rmt 50"] = 3, ["run --rmt 50 --speed max"] = 3 } },
  ["trials within trials"] = { "local x = P .. mp.rest(0.1)\n"
    .. "for _ = 1, 25 do local s = x:totals().span + 1\n"
    .. "local t = mp.trials { of = { x, x * 1 }, every = s }\n"
    .. "x = mp.train { of = t, count = 1, every = 2 * s + 1 } end return x",
    {}, { "show", "compile -o -", "protocols" } },
  ["2^62 pulses"] = { "return P * (1 << 62)", { ["check --rmt 50"] = 3, ["run --rmt 50 --speed max"] = 3 },
    { "show", "check --rmt 50", "compile -o -", "protocols", "plot", "run --rmt 50 --speed max" } },
  ["2^40 marks"] = { "return P .. mp.mark 'x' * (1 << 40)", {},
    { "show", "compile -o -", "protocols", "plot" } },
  [CHANNELS .. " channels"] = { "local x = P for i = 1, 200 do x = (x .. mp.rest(0.1)) * 1 .. P end\n"
    .. "local y = P for i = 1, " .. CHANNELS .. " do y = y .. x:at('c' .. i) end return y",
    { ["events"] = 2, ["check --rmt 50"] = 2, ["plot"] = 2, ["run --rmt 50 --speed max"] = 2 } },
}

describe("a small file with huge work", function()
  local folder
  local program = shell.quote(io.popen("realpath " .. shell.quote(shell.program)):read("l"))

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function write(body)
    shell.write(folder .. "/x.lua", 'local mp = require "moonpulse"\nlocal P = mp.pulse(mp.mso(40))\n'
      .. 'return mp.protocol { name = "x", plan = function()\n' .. body .. "\nend }\n")
    return "x.lua"
  end

  --- Exit status and standard error; standard output is looked at by nobody.
  local function perform(command, file)
    local limit = sanitized and "" or ("ulimit -v %d; "):format(MEMORY_KB)
    local verb, more = command:match("^(%S+) ?(.*)$")
    local status, _, err = shell.sh(folder, ("cd %s && %s timeout %d %s %s %s %s >/dev/null"):format(folder,
      limit, PATIENCE_S, program, verb, file, more))
    return status, err
  end

  for name, case in pairs(refused) do
    it("is refused with a number and a remedy: " .. name, function()
      local file = write(case[1])
      local lines = {}
      for i, command in ipairs(commands) do -- each loads the file anew: in one program, and its memory
        lines[i] = command:gsub("^%S+", "%0 " .. file, 1)
      end
      local limit = sanitized and "" or ("ulimit -v %d; "):format(MEMORY_KB)
      for i, result in ipairs(shell.many(folder, lines, ("cd %s && %s timeout %d"):format(folder, limit,
        PATIENCE_S))) do
        assert.are.equal(2, result.status, commands[i] .. result.err)
        assert.matches("^moonpulse: x.lua:%d+: ", result.err)
        assert.is_truthy(result.err:find(case[2], 1, true), commands[i] .. result.err)
      end
    end)
  end

  for name, case in pairs(answered) do
    it("is answered: " .. name, function()
      local file = write(case[1])
      for _, command in ipairs(case[3] or commands) do
        local status, err = perform(command, file)
        assert.are.equal(case[2][command] or 0, status, command .. ": " .. err)
        assert.is_nil(err:find("%.lua:%d+: the plan has"), err) -- no line of ours
        assert.is_nil(err:find("memory", 1, true), err)
      end
    end)
  end

  it("shows how far it is, and ends at once with Ctrl-C", function()
    local drawn = "local x = P .. mp.rest { min = 0.1, max = 0.2 }\n"
      .. "for _ = 1, 30 do x = (x .. x) * 1 end return x"
    local marks = "return P .. mp.mark 'x' * (1 << 40)"
    for _, case in ipairs { { drawn, "show" }, { drawn, "protocols" }, { drawn, "plot" },
      { drawn, "check", "--rmt 50" }, { drawn, "run", "--rmt 50 --speed max" },
      { marks, "check", "--rmt 50" }, { marks, "run", "--rmt 50 --speed max" } } do
      local path = folder .. "/" .. write(case[1])
      local job = shell.start(folder, "job", ("%s %s %s"):format(case[2], path, case[3] or ""),
        "--default-signal=INT") -- in the background it would be ignored
      shell.await(function() return job:err():match("%d of [%d,]+ pulses and marks") end,
        "progress of " .. case[2] .. ": " .. job:err())
      job:signal "INT"
      assert.are.equal(130, job:wait(), case[2])
    end
  end)

  it("is refused at once where it is no protocol at all", function()
    shell.write(folder .. "/long.lua", ("-"):rep(5000000))
    shell.sh(folder, ("cd %s && mkdir d.lua d.plan && ln -s /dev/zero z.plan && ln -s /dev/zero z.lua")
      :format(folder))
    for file, words in pairs { ["long.lua"] = "long.lua has more than 4194304 bytes",
      ["./d.lua"] = "it is a folder",
      ["./z.lua"] = "z.lua has more than 4194304 bytes", ["z.plan"] = "z.plan has more than 16777216 bytes",
      ["d.plan"] = "it is a folder" } do
      local status, err = perform("show", file)
      assert.are.equal(2, status, err)
      assert.is_truthy(err:find(words, 1, true), err)
    end
    local status, err = perform("check --lab /dev/zero --amt 50", "itbs600")
    assert.are.equal(2, status, err)
    assert.is_truthy(err:find("/dev/zero has more than 1048576 bytes", 1, true), err)
  end)

  it("cannot have texts of megabytes, or more variants than can be made", function()
    for body, words in pairs {
      ["name = ('n'):rep(1000000):rep(20), plan = function() end"] = "name has 20000000 bytes, at most 10000",
      ["id = ('n'):rep(200), name = 'x', plan = function() end"] = "id has 200 bytes, at most 100" } do
      shell.write(folder .. "/x.lua", ("return require 'moonpulse'.protocol { %s }"):format(body))
      local status, err = perform("show", "x.lua")
      assert.are.equal(2, status, err)
      assert.is_truthy(err:find(words, 1, true), err)
    end
    shell.write(folder .. "/x.lua", "local params, variants = {}, {}\n"
      .. "for i = 1, 3000 do params['p' .. i] = { default = 1 } end\n"
      .. "for i = 1, 3000 do variants[i] = { id = 'v' .. i, name = 'v' } end\n"
      .. "return require 'moonpulse'.protocol { name = 'x', params = params, variants = variants,\n"
      .. "plan = function() end }")
    local status, err = perform("show", "x.lua")
    assert.are.equal(2, status, err)
    assert.matches("x.lua: stopped: it takes too", err)
  end)
end)

describe("a small plan file with huge work", function()
  --- A file with a right signature.
  local function read(head, nodes, pulses)
    local text = ("moonpulse-plan 1\n%sseed 1\npulses %d\n%s"):format(head, pulses or 1, nodes)
    return plan_file.read(text .. "sha256 " .. plan_file.sha256(text) .. "\n", "x.plan")
  end

  local function lines(from, to, text)
    local list = {}
    for i = from, to do
      list[#list + 1] = (text:gsub("#", tostring(i)):gsub("<", tostring(i - 1)))
    end
    return table.concat(list)
  end

  local pulse = "node 1 pulse 40 MSO\n"
  local cases = {
    ["parts in a row, in many nodes"] = { pulse .. lines(2, 300, "node # sequence 1*1000000\n") .. "root 3\n",
      "x.plan:6: more than 1000000 parts in a row, of all nodes: write them as one repeat" },
    ["parts that dissolve into longer ones"] = {
      pulse .. "node 2 sequence 1*64\nnode 3 sequence 2*1000000\nroot 3\n",
      "x.plan:6: more than 1000000 parts in a row" },
    ["a count beyond 64 bits"] = { pulse .. "node 2 sequence 1*99999999999999999999999\nroot 2\n",
      "more than 1000000 parts in a row" },
    ["parallel parts, doubled"] = { pulse .. lines(2, 60, "node # parallel < <\n") .. "root 60\n",
      "8190 plans side by side" },
    ["parallel parts in a row"] = { pulse .. "node 2 parallel" .. (" 1"):rep(65) .. "\nroot 2\n",
      "1 to 64 plans" },
    ["nodes"] = { pulse .. lines(2, 250002, "node # rest #/1\n") .. "root 1\n", "more than 250000 nodes" },
    ["deep nesting"] = { pulse .. lines(2, 2000, "node # repeat < 1 gap 0/1\n") .. "root 2000\n",
      "deeper than 1000 levels" },
    ["drawn rests"] = {
      "node 1 rest 0/1 1/1000\n" .. lines(2, 60, "node # repeat < 2 gap 0/1\n") .. "root 60\n",
      "16384 rests in a row" },
    ["a label that is everywhere"] = { 'node 1 mark "' .. (' as "'):rep(200000) .. '"\nroot 1\n',
      "a node of 1000009 letters, at most 2000" },
    ["digits without end"] = { "node 1 rest 1/" .. ("1"):rep(1900) .. "x\nroot 1\n", "a rest is" },
    ["a part without end"] = { pulse .. "node 2 sequence 1 1" .. ("1"):rep(1000000) .. "x\nroot 2\n",
      "is no node" },
  }
  for name, case in pairs(cases) do
    it("is refused: " .. name, function()
      debug.sethook(function() error "it works on and on" end, "", WORK)
      local found, message = read("", case[1])
      debug.sethook()
      assert.is_nil(found)
      assert.is_truthy(message:find(case[2], 1, true), message)
    end)
  end

  it("has texts that no terminal obeys, and an id that leads out of no folder", function()
    for head, words in pairs {
      ['name "a\xc2\x9b31mred"\n'] = "x.plan:2: name has control characters, which a terminal would obey",
      ['name "a \xe2\x80\xaered"\n'] = "x.plan:2: name has control characters, which a terminal would obey",
      ['name "\\x1b]0;title\\x07"\n'] = "x.plan:2: name has control characters, which a terminal would obey",
      ['name "a\\nb"\n'] = "x.plan:2: name has a line break or a tab: write it on one line",
      ['id "../../x"\n'] = "x.plan:2: id must be letters, digits and _ . -",
      ['cite "' .. ("n"):rep(10001) .. '"\n'] = "x.plan:2: cite has 10001 bytes, at most 10000" } do
      local found, message = read(head, pulse .. "root 1\n")
      assert.is_nil(found)
      assert.is_truthy(message:find(words, 1, true), message)
    end
    assert.are.equal("x", assert(read('id "x"\nnote "a\\nb"\n', pulse .. "root 1\n")).id)
  end)
end)
